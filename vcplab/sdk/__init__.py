"""What the author of a plugin builds on: the standard library only, nothing else of vcplab.

`vcplab.sdk.stdio` is one file that is copied into a plugin's folder, so that the plugin runs where
vcplab is not installed.
"""

from __future__ import annotations

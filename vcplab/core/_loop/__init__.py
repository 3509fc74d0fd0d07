"""The parts of `vcplab.core.loop`. Private: import from there."""

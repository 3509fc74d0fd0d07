"""The parts of the FileOperator plugin: roots, safe opening, texts, commands, network.

Standard library only, Python 3.9 or newer; nothing here needs vcplab.
"""

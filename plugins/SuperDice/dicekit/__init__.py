"""The parts of the SuperDice plugin: notation, dice, colours and the drawn tray.

Standard library only, Python 3.9 or newer; nothing here needs vcplab.
"""

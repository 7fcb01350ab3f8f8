"""What a function of a test finds in a process of many devices, one for all cases of a module."""

from analyses._many_devices import on_devices as on_devices

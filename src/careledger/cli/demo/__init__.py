"""The demo: one patient's story over three organisations, on the real parts, told on the screen and checked."""

"""Onramp: hosted WhatsApp Embedded Signup for 360dialog partners. Import nothing here: cold start."""

import gc
import os

if "AWS_LAMBDA_RUNTIME_API" in os.environ:
    # What is loaded now stays: looking through it for garbage is a tenth of a cold start.
    gc.disable()
    # Or pydantic reads the description of every installed package to look for plugins; there are none.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

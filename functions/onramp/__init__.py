"""Onramp: hosted WhatsApp Embedded Signup for 360dialog partners. Import nothing here: cold start."""

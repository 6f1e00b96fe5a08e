"""CRM-as-code for Copper CRM."""

__version__ = "0.1.0"

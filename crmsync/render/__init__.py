"""Values to text and JSON. Pure, and the one place where text of others is made safe to show (`sanitise`)."""

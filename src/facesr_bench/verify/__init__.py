"""Making a part of a finished run again, to see whether its record can be believed."""

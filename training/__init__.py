"""From records to a trained adapter."""

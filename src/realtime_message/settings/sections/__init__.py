"""The declarations, one file a section. A setting is a field here and nowhere else."""

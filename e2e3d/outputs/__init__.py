"""What a run leaves: files, manifest, report, evaluation."""

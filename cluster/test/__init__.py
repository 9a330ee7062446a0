"""The whole stack of ``cluster/compose/compose.yaml`` on one Linux machine, without containers: see README.md."""

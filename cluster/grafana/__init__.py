"""What the dashboards show, and how they are built."""

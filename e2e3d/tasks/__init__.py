"""Ray: how stages are fanned out, placed, retried and cancelled."""

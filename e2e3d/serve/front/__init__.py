"""What strangers reach: HAProxy, which bounds connections before any work is done for them."""

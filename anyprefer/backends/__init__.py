"""Model backends: chat models behind one client, the embedded server, weights and the call store."""

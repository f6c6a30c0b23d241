"""The engine process: lock, wake-up socket, account workers, schedule, back-off."""

"""What happens inside, told to those who count it; and the trace context of the request that a thread works for."""

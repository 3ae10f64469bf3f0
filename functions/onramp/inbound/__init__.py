"""Everything that comes in: HTTP, queues, webhooks. It translates, calls one use case, translates back."""

"""RabbitMQ as the broker of pynenc."""

//! The worker through AMQP and its command line.

//! Virtual-time pairs, rule-breaking peers and server fixtures for Carrick's tests

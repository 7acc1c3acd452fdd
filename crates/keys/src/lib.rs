//! Keys, key files, known_hosts, authorized_keys and the agent protocol

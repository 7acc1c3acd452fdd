//! Ciphers, MACs, key exchange and signatures of SSH behind tables

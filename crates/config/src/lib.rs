//! ssh_config and sshd_config: text to typed options

//! Tunnel devices: network interfaces whose other end is a program.
//!
//! A device is made by opening it and goes away with its last descriptor,
//! unless the administrator has made it to stay (`ip tuntap add`). Whoever has
//! no right to configure the network may open only the latter, and of them
//! only those that the administrator made his.

use std::fs::File;
use std::{fmt, io};

/// What a device's frames are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// IP packets (layer 3).
    Ip,
    /// Ethernet frames (layer 2).
    Ethernet,
}

/// An open device. Each read and each write is one frame, and never waits.
#[derive(Debug)]
pub struct Tun {
    /// The device.
    pub device: File,
    /// The interface's name.
    pub name: String,
}

/// Why there is no device.
#[derive(Debug)]
pub enum OpenError {
    /// The system has no tunnel devices for us.
    Control(io::Error),
    /// No interface of that number, or not with that one.
    Configure(io::Error),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Control(why) => write!(f, "failed to open tunnel control interface: {why}"),
            Self::Configure(why) => write!(f, "failed to configure tunnel: {why}"),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let (Self::Control(why) | Self::Configure(why)) = self;
        Some(why)
    }
}

/// Opens the device with the number `unit`, or the next that is free.
#[cfg(target_os = "linux")]
pub fn open(layer: Layer, unit: Option<u32>) -> Result<Tun, OpenError> {
    let name = match (layer, unit) {
        (_, None) => String::new(),
        (Layer::Ip, Some(unit)) => format!("tun{unit}"),
        (Layer::Ethernet, Some(unit)) => format!("tap{unit}"),
    };
    linux::open(layer, &name)
}

/// Opens a device of this name; a `%d` in it stands for the next free number.
#[cfg(target_os = "linux")]
pub fn open_named(layer: Layer, name: &str) -> Result<Tun, OpenError> {
    linux::open(layer, name)
}

/// Opens the device with the number `unit`, or the next that is free.
#[cfg(not(target_os = "linux"))]
pub fn open(layer: Layer, unit: Option<u32>) -> Result<Tun, OpenError> {
    let _ = (layer, unit);
    open_named(layer, "")
}

/// Opens a device of this name; a `%d` in it stands for the next free number.
#[cfg(not(target_os = "linux"))]
pub fn open_named(_: Layer, _: &str) -> Result<Tun, OpenError> {
    let text = "tunnel devices are built for Linux only";
    Err(OpenError::Control(io::Error::new(
        io::ErrorKind::Unsupported,
        text,
    )))
}

#[cfg(target_os = "linux")]
mod linux {
    use std::ffi::CStr;
    use std::fs::File;
    use std::io;
    use std::os::fd::AsRawFd as _;
    use std::os::unix::fs::OpenOptionsExt as _;

    use super::{Layer, OpenError, Tun};

    /// Where devices come from.
    const CONTROL: &str = "/dev/net/tun";

    pub(super) fn open(layer: Layer, name: &str) -> Result<Tun, OpenError> {
        let device = File::options()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(CONTROL)
            .map_err(OpenError::Control)?;
        let name = configure(&device, layer, name).map_err(OpenError::Configure)?;
        Ok(Tun { device, name })
    }

    /// Makes `device` the interface `name`: the name that it got.
    fn configure(device: &File, layer: Layer, name: &str) -> io::Result<String> {
        // SAFETY: `ifreq` is plain data, for which all zeros is a value.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        if name.len() >= request.ifr_name.len() || name.contains('\0') {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
            *to = from.cast_signed();
        }
        let kind = match layer {
            Layer::Ip => libc::IFF_TUN,
            Layer::Ethernet => libc::IFF_TAP,
        };
        let flags = kind | libc::IFF_NO_PI;
        request.ifr_ifru.ifru_flags = i16::try_from(flags).map_err(io::Error::other)?;
        // SAFETY: TUNSETIFF reads and writes one `ifreq`, which outlives the
        // call, and keeps no pointer to it.
        let r = unsafe { libc::ioctl(device.as_raw_fd(), libc::TUNSETIFF, &raw mut request) };
        if r != 0 {
            return Err(io::Error::last_os_error());
        }
        let name = request.ifr_name.map(i8::cast_unsigned);
        let name = CStr::from_bytes_until_nul(&name).map_err(io::Error::other)?;
        Ok(name.to_string_lossy().into_owned())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_too_long_is_refused() {
        let error = open_named(Layer::Ip, "a-name-of-sixteen").unwrap_err();
        assert!(error.to_string().starts_with("failed to "), "{error}");
    }
}

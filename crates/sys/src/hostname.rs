//! What this machine is called, and where a connection ends on it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::net::{AddressFamily, getsockname};

/// Longest name that the resolver gives (`NI_MAXHOST`).
const NAME_MAX: usize = 1025;

/// The machine's name, as it calls itself.
pub fn own() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

/// The address at our end of a connection; `None` for what has none, such as a
/// pipe.
pub fn local_address(connection: impl AsFd) -> Option<IpAddr> {
    let name = getsockname(&connection).ok()?;
    match name.address_family() {
        AddressFamily::INET | AddressFamily::INET6 => {
            SocketAddr::try_from(name).ok().map(|addr| addr.ip())
        }
        _ => None,
    }
}

/// As [`local_address`], for a descriptor that is known by its number alone,
/// because the starter of this program left it open. An error if it is not open.
pub fn local_address_of(number: i32) -> io::Result<Option<IpAddr>> {
    if number < 0 {
        return Err(rustix::io::Errno::BADF.into());
    }
    // SAFETY: it is only asked whether the number is open, and for its name;
    // whoever owns it, nothing changes for them.
    let fd = unsafe { BorrowedFd::borrow_raw(number) };
    rustix::io::fcntl_getfd(fd)?;
    Ok(local_address(fd))
}

/// The name that the resolver has for an address.
pub fn of_address(address: IpAddr) -> Option<String> {
    let mut name = [0_u8; NAME_MAX];
    let len = libc::socklen_t::try_from(name.len()).ok()?;
    let code = match address {
        IpAddr::V4(ip) => {
            // SAFETY: all zeros is a valid sockaddr_in.
            let mut sin: libc::sockaddr_in = unsafe { std::mem::zeroed() };
            sin.sin_family = libc::sa_family_t::try_from(libc::AF_INET).ok()?;
            sin.sin_addr.s_addr = u32::from_ne_bytes(ip.octets());
            // SAFETY: `sin` is of the family it names, see `name_info`.
            unsafe { name_info((&raw const sin).cast(), size_of_val(&sin), &mut name, len) }
        }
        IpAddr::V6(ip) => {
            // SAFETY: all zeros is a valid sockaddr_in6.
            let mut sin6: libc::sockaddr_in6 = unsafe { std::mem::zeroed() };
            sin6.sin6_family = libc::sa_family_t::try_from(libc::AF_INET6).ok()?;
            sin6.sin6_addr.s6_addr = ip.octets();
            // SAFETY: as above.
            unsafe { name_info((&raw const sin6).cast(), size_of_val(&sin6), &mut name, len) }
        }
    };
    if code != 0 {
        return None;
    }
    let end = name.iter().position(|byte| *byte == 0)?;
    let text = std::str::from_utf8(name.get(..end)?).ok()?;
    (!text.is_empty()).then(|| text.to_owned())
}

/// `getnameinfo` for the name of a host that has one.
///
/// # Safety
/// `address` points to a sockaddr of `size` bytes, of the family that it names.
unsafe fn name_info(
    address: *const libc::sockaddr,
    size: usize,
    name: &mut [u8; NAME_MAX],
    len: libc::socklen_t,
) -> i32 {
    let Ok(size) = libc::socklen_t::try_from(size) else {
        return libc::EAI_FAIL;
    };
    // SAFETY: `address` and `size` are as the caller promises, `name` and `len`
    // describe a live buffer; nothing is kept.
    unsafe {
        libc::getnameinfo(
            address,
            size,
            name.as_mut_ptr().cast(),
            len,
            std::ptr::null_mut(),
            0,
            libc::NI_NAMEREQD,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd as _;

    #[test]
    fn the_end_of_a_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let loopback = Some(IpAddr::from([127, 0, 0, 1]));
        assert_eq!(local_address(&stream), loopback);
        assert_eq!(local_address_of(stream.as_raw_fd()).unwrap(), loopback);
        let (pipe, _) = io::pipe().unwrap();
        assert_eq!(local_address_of(pipe.as_raw_fd()).unwrap(), None);
        assert!(local_address_of(-1).is_err() && local_address_of(i32::MAX).is_err());
    }

    #[test]
    fn this_machine_has_a_name() {
        assert!(!own().is_empty());
        // Whether loopback has one is the machine's affair: it may not hang or fail.
        let _ = of_address(IpAddr::from([127, 0, 0, 1]));
    }
}

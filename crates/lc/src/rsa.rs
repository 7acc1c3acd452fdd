//! RSA with PKCS#1 v1.5 signatures (RFC 8017 section 8.2), in any size from
//! 1024 to 16384 bits; aws-lc-rs stops at 2048 and 8192.

use core::ffi::{c_int, c_uint};
use core::ptr::{self, NonNull};

use aws_lc_sys as c;
use zeroize::Zeroizing;

use crate::bn::{Bn, Ctx, copy_out};
use crate::hmac::Digest;
use crate::{Failed, check, failed};

/// The smallest and largest modulus in bits.
pub const BITS: core::ops::RangeInclusive<usize> = 1024..=16384;

struct Raw(NonNull<c::RSA>);

impl Raw {
    fn own(raw: *mut c::RSA) -> Result<Self, Failed> {
        NonNull::new(raw).map(Self).ok_or_else(failed)
    }

    fn get(&self) -> *mut c::RSA {
        self.0.as_ptr()
    }

    fn bits(&self) -> usize {
        // SAFETY: a live RSA object.
        usize::try_from(unsafe { c::RSA_bits(self.get()) }).unwrap_or(0)
    }

    fn size(&self) -> usize {
        self.bits().div_ceil(8)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // SAFETY: this value owns one reference.
        unsafe { c::RSA_free(self.0.as_ptr()) };
    }
}

fn nid(digest: Digest) -> c_int {
    match digest {
        Digest::Md5 => c::NID_md5,
        Digest::Sha1 => c::NID_sha1,
        Digest::Sha256 => c::NID_sha256,
        Digest::Sha384 => c::NID_sha384,
        Digest::Sha512 => c::NID_sha512,
    }
}

/// The parts of a private key as OpenSSH files hold them, big-endian
/// magnitudes; wiped when dropped.
#[derive(Clone)]
pub struct Components {
    /// The modulus.
    pub n: Vec<u8>,
    /// The public exponent.
    pub e: Vec<u8>,
    /// The private exponent.
    pub d: Zeroizing<Vec<u8>>,
    /// The first prime.
    pub p: Zeroizing<Vec<u8>>,
    /// The second prime.
    pub q: Zeroizing<Vec<u8>>,
    /// The inverse of `q` modulo `p`.
    pub iqmp: Zeroizing<Vec<u8>>,
}

/// A private key.
pub struct RsaKey(Raw);

// SAFETY: rsa.h: "may be used concurrently on multiple threads by
// non-mutating functions"; it may move between them as well.
unsafe impl Send for RsaKey {}
// SAFETY: after construction only RSA_sign and getters run, which rsa.h lists
// as non-mutating (blinding is behind AWS-LC's own lock).
unsafe impl Sync for RsaKey {}

impl RsaKey {
    /// A new key with public exponent 65537.
    pub fn generate(bits: usize) -> Result<Self, Failed> {
        if !BITS.contains(&bits) {
            return Err(Failed);
        }
        let bits = c_int::try_from(bits).map_err(|_| Failed)?;
        // SAFETY: no arguments; a null result is caught.
        let rsa = Raw::own(unsafe { c::RSA_new() })?;
        let e = Bn::from_word(65537)?;
        // SAFETY: live objects; the callback may be null.
        check(unsafe { c::RSA_generate_key_ex(rsa.get(), bits, e.get(), ptr::null_mut()) })?;
        Ok(Self(rsa))
    }

    /// From its parts; they are checked to belong together.
    pub fn from_components(parts: &Components) -> Result<Self, Failed> {
        let (n, e) = (Bn::from_bytes(&parts.n)?, Bn::from_bytes(&parts.e)?);
        if !BITS.contains(&n.bits()) {
            return Err(Failed);
        }
        let (d, iqmp) = (Bn::from_bytes(&parts.d)?, Bn::from_bytes(&parts.iqmp)?);
        let (p, q) = (Bn::from_bytes(&parts.p)?, Bn::from_bytes(&parts.q)?);
        if p.bits() < 2 || q.bits() < 2 {
            return Err(Failed);
        }
        // The remainders are not taken in constant time: this happens once,
        // when a key file is loaded, and no peer can observe it.
        let mut ctx = Ctx::new()?;
        let dmp1 = d.remainder(&p.minus_one()?, &mut ctx)?;
        let dmq1 = d.remainder(&q.minus_one()?, &mut ctx)?;
        // SAFETY: eight live BIGNUMs, which the call copies.
        let raw = unsafe {
            c::RSA_new_private_key(
                n.get(),
                e.get(),
                d.get(),
                p.get(),
                q.get(),
                dmp1.get(),
                dmq1.get(),
                iqmp.get(),
            )
        };
        Raw::own(raw).map(Self)
    }

    /// Its parts.
    pub fn components(&self) -> Result<Components, Failed> {
        let mut raw = [ptr::null(); 6];
        let [n, e, d, p, q, iqmp] = &mut raw;
        // SAFETY: a live RSA object and three pointers to fill in.
        unsafe { c::RSA_get0_key(self.0.get(), &raw mut *n, &raw mut *e, &raw mut *d) };
        // SAFETY: as above, with two.
        unsafe { c::RSA_get0_factors(self.0.get(), &raw mut *p, &raw mut *q) };
        // SAFETY: as above; a null target is skipped.
        unsafe {
            c::RSA_get0_crt_params(
                self.0.get(),
                ptr::null_mut(),
                ptr::null_mut(),
                &raw mut *iqmp,
            );
        };
        // SAFETY: null, or owned by the RSA object, which `self` keeps alive.
        let copy = |bn| unsafe { copy_out(bn) };
        let secret = |bn| copy(bn).map(Zeroizing::new);
        let [n, e, d, p, q, iqmp] = raw;
        Ok(Components {
            n: copy(n)?,
            e: copy(e)?,
            d: secret(d)?,
            p: secret(p)?,
            q: secret(q)?,
            iqmp: secret(iqmp)?,
        })
    }

    /// `d` modulo `p - 1` and modulo `q - 1`.
    pub fn crt_exponents(&self) -> Result<[Zeroizing<Vec<u8>>; 2], Failed> {
        let (mut dmp1, mut dmq1) = (ptr::null(), ptr::null());
        // SAFETY: a live key and two pointers to fill in; a null target is
        // skipped.
        unsafe {
            c::RSA_get0_crt_params(self.0.get(), &raw mut dmp1, &raw mut dmq1, ptr::null_mut());
        };
        // SAFETY: null, or owned by the RSA object, which `self` keeps alive.
        let copy = |bn| unsafe { copy_out(bn) }.map(Zeroizing::new);
        Ok([copy(dmp1)?, copy(dmq1)?])
    }

    /// The size of the modulus in bits.
    pub fn bits(&self) -> usize {
        self.0.bits()
    }

    /// Signs a digest; the signature is as long as the modulus.
    pub fn sign(&self, kind: Digest, digest: &[u8]) -> Result<Vec<u8>, Failed> {
        if digest.len() != kind.len() {
            return Err(Failed);
        }
        let mut out = vec![0; self.0.size()];
        let mut len: c_uint = 0;
        // SAFETY: a live key; `out` has RSA_size bytes, as the call requires;
        // digest and length belong together.
        check(unsafe {
            c::RSA_sign(
                nid(kind),
                digest.as_ptr(),
                digest.len(),
                out.as_mut_ptr(),
                &raw mut len,
                self.0.get(),
            )
        })?;
        if usize::try_from(len) == Ok(out.len()) {
            Ok(out)
        } else {
            Err(Failed)
        }
    }
}

/// A public key.
pub struct RsaPublic(Raw);

impl RsaPublic {
    /// From modulus and exponent, big-endian. AWS-LC allows exponents of at
    /// most 33 bits, odd and greater than 1.
    pub fn new(n: &[u8], e: &[u8]) -> Result<Self, Failed> {
        let (n, e) = (Bn::from_bytes(n)?, Bn::from_bytes(e)?);
        if !BITS.contains(&n.bits()) {
            return Err(Failed);
        }
        // SAFETY: two live BIGNUMs, which the call copies.
        Raw::own(unsafe { c::RSA_new_public_key(n.get(), e.get()) }).map(Self)
    }

    /// The length of a signature in bytes.
    pub fn size(&self) -> usize {
        self.0.size()
    }

    /// Verifies a signature of exactly [`RsaPublic::size`] bytes over a digest.
    pub fn verify(&self, kind: Digest, digest: &[u8], signature: &[u8]) -> Result<(), Failed> {
        if digest.len() != kind.len() || signature.len() != self.size() {
            return Err(Failed);
        }
        // SAFETY: a live key; both slices come with their lengths.
        check(unsafe {
            c::RSA_verify(
                nid(kind),
                digest.as_ptr(),
                digest.len(),
                signature.as_ptr(),
                signature.len(),
                self.0.get(),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generate_sign_rebuild_verify() {
        for bits in [1024, 1536] {
            let key = RsaKey::generate(bits).unwrap();
            assert_eq!(key.bits(), bits);
            let parts = key.components().unwrap();
            let again = RsaKey::from_components(&parts).unwrap();
            let public = RsaPublic::new(&parts.n, &parts.e).unwrap();
            for kind in [Digest::Sha1, Digest::Sha256, Digest::Sha512] {
                let digest = vec![5; kind.len()];
                let mut signature = key.sign(kind, &digest).unwrap();
                assert_eq!(again.sign(kind, &digest).unwrap(), signature);
                public.verify(kind, &digest, &signature).unwrap();
                assert!(
                    public
                        .verify(kind, &vec![6; kind.len()], &signature)
                        .is_err()
                );
                signature[7] ^= 1;
                assert!(public.verify(kind, &digest, &signature).is_err());
                assert!(public.verify(kind, &digest, &signature[1..]).is_err());
            }
        }
        assert!(RsaKey::generate(1000).is_err());
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        let good = RsaKey::generate(1024).unwrap().components().unwrap();
        let spoil = |change: fn(&mut Components)| {
            let mut parts = good.clone();
            change(&mut parts);
            RsaKey::from_components(&parts).is_err()
        };
        assert!(spoil(|p| p.n[64] ^= 2));
        assert!(spoil(|p| p.d[40] ^= 2));
        assert!(spoil(|p| p.p[10] ^= 2));
        assert!(spoil(|p| p.iqmp[10] ^= 2));
        assert!(spoil(|p| p.q.clear()));
        assert!(spoil(|p| p.n.clear()));
        assert!(RsaPublic::new(&[0xff; 2049], &[3]).is_err());
        assert!(RsaPublic::new(&[0xff; 2048], &[3]).is_ok());
        assert!(RsaPublic::new(&[0xff; 127], &[3]).is_err());
        assert!(RsaPublic::new(&[0xff; 128], &[4]).is_err());
    }
}

//! A PKCS#11 library and the tokens in its slots.

use std::path::Path;

use carrick_keys::PublicKey;
use carrick_keys::helper::pkcs11::{TokenKey, certificate_key, ec_key, ecdsa_structure, rsa_key};
use carrick_sys::pkcs11::{Refused, Signer};
use carrick_wire::Secret;
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::RawAuthPin;

use crate::log::{debug, debug2, verbose};

/// Most keys that are taken from a token.
const KEYS_MAX: usize = 1024;

/// Why it did not work.
pub(super) enum Fault {
    /// The token of that name wants a PIN first.
    LoginNeeded(String),
    /// The PIN was wrong.
    Pin,
    /// The library is of no use.
    Provider(String),
    /// The token did not do it.
    Token(String),
}

impl From<Error> for Fault {
    fn from(e: Error) -> Self {
        match e {
            Error::Pkcs11(RvError::PinIncorrect | RvError::PinLenRange, _) => Self::Pin,
            // The library's words for them go over many lines.
            Error::Pkcs11(code, function) => Self::Token(format!("{function}: {code:?}")),
            other => Self::Token(other.to_string()),
        }
    }
}

/// A loaded library.
pub(super) struct Provider {
    path: String,
    signer: Signer,
    tokens: Vec<Token>,
}

/// A token that is there.
struct Token {
    label: String,
    session: Session,
    needs_login: bool,
    /// The reader has keys of its own for the PIN.
    keypad: bool,
    logged_in: bool,
    /// Given for the next signature, whose key may want it again.
    pin: Option<Secret>,
    keys: Vec<Found>,
}

/// A key in a token.
struct Found {
    blob: Vec<u8>,
    key: PublicKey,
    label: String,
    /// What the private key has in common with it.
    id: Vec<u8>,
}

impl Provider {
    /// Loads the library at `path`, which runs its code.
    pub(super) fn load(path: &str) -> Result<Self, Fault> {
        let unusable = |e: Error| Fault::Provider(format!("provider {path}: {e}"));
        let context = Pkcs11::new(path).map_err(unusable)?;
        let signer = Signer::of(Path::new(path))
            .map_err(|why| Fault::Provider(format!("provider {path}: {why}")))?;
        context
            .initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))
            .map_err(unusable)?;
        if let Ok(info) = context.get_library_info() {
            debug!(
                "provider {path}: manufacturerID <{}> cryptokiVersion {} \
                 libraryDescription <{}> libraryVersion {}",
                info.manufacturer_id(),
                info.cryptoki_version(),
                info.library_description(),
                info.library_version()
            );
        }
        let slots = context.get_slots_with_token().map_err(unusable)?;
        let tokens = slots
            .into_iter()
            .filter_map(|slot| {
                Token::open(&context, slot)
                    .inspect_err(|e| debug!("provider {path} slot {slot}: {e}"))
                    .ok()
                    .flatten()
            })
            .collect();
        Ok(Self {
            path: path.to_owned(),
            signer,
            tokens,
        })
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn has(&self, blob: &[u8]) -> bool {
        self.tokens.iter().any(|t| t.find(blob).is_some())
    }

    fn token_of(&mut self, blob: &[u8]) -> Result<&mut Token, Fault> {
        self.tokens
            .iter_mut()
            .find(|t| t.find(blob).is_some())
            .ok_or_else(|| Fault::Token("no such key in any token".into()))
    }

    /// Lists the keys of all tokens, with a PIN after logging in to them. A
    /// token that this fails for is passed over, unless none has keys then.
    pub(super) fn list(&mut self, pin: Option<&Secret>) -> Result<Vec<TokenKey>, Fault> {
        let mut keys: Vec<TokenKey> = Vec::new();
        let mut fault = None;
        for token in &mut self.tokens {
            if let Err(why) = token.show(pin) {
                fault.get_or_insert(why);
                continue;
            }
            for found in &token.keys {
                if !keys.iter().any(|k| k.key == found.key) {
                    keys.push(TokenKey {
                        key: found.key.clone(),
                        label: found.label.clone(),
                    });
                }
            }
        }
        match fault {
            Some(why) if keys.is_empty() => Err(why),
            _ => Ok(keys),
        }
    }

    /// Unlocks the token that has the key, for one signature at least.
    pub(super) fn login_for(&mut self, blob: &[u8], pin: &Secret) -> Result<(), Fault> {
        let token = self.token_of(blob)?;
        token.login(Some(pin))?;
        token.pin = Some(pin.clone());
        Ok(())
    }

    /// What the token that has the key makes of `data`.
    pub(super) fn sign(&mut self, blob: &[u8], data: &[u8]) -> Result<Vec<u8>, Fault> {
        let signer = self.signer;
        self.token_of(blob)?.sign(blob, data, signer)
    }
}

impl Token {
    /// The token in `slot`; `None` for one that was never set up.
    fn open(context: &Pkcs11, slot: Slot) -> Result<Option<Self>, Error> {
        let info = context.get_token_info(slot)?;
        debug!(
            "slot {slot}: label <{}> manufacturerID <{}> model <{}> serial <{}>",
            info.label(),
            info.manufacturer_id(),
            info.model(),
            info.serial_number()
        );
        if !info.token_initialized() {
            debug2!("ignoring uninitialised token in slot {slot}");
            return Ok(None);
        }
        Ok(Some(Self {
            label: info.label().to_owned(),
            session: context.open_ro_session(slot)?,
            needs_login: info.login_required(),
            keypad: info.protected_authentication_path(),
            logged_in: false,
            pin: None,
            keys: Vec::new(),
        }))
    }

    fn is_locked(&self) -> bool {
        self.needs_login && !self.logged_in
    }

    fn find(&self, blob: &[u8]) -> Option<&Found> {
        self.keys.iter().find(|k| k.blob == blob)
    }

    /// Logs in, if that is needed: with the PIN, or at the reader.
    fn login(&mut self, pin: Option<&Secret>) -> Result<(), Fault> {
        if self.is_locked() {
            self.login_as(UserType::User, pin)?;
            self.logged_in = true;
        }
        Ok(())
    }

    /// Shows the PIN, or has the reader ask for it.
    fn login_as(&self, user: UserType, pin: Option<&Secret>) -> Result<(), Fault> {
        let done = if self.keypad {
            verbose!("Deferring PIN entry to reader keypad.");
            self.session.login(user, None)
        } else {
            let Some(pin) = pin else {
                return Err(Fault::LoginNeeded(self.label.clone()));
            };
            let pin = RawAuthPin::new(Box::new(pin.expose().to_vec()));
            self.session.login_with_raw(user, &pin)
        };
        match done {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    /// Logs in if there is a PIN, and looks for keys. Some tokens show none
    /// before.
    fn show(&mut self, pin: Option<&Secret>) -> Result<(), Fault> {
        if pin.is_some() {
            self.login(pin)?;
        }
        self.read_keys()?;
        if self.keys.is_empty() && self.is_locked() {
            return Err(Fault::LoginNeeded(self.label.clone()));
        }
        Ok(())
    }

    /// Looks for keys: in certificates, then bare ones.
    fn read_keys(&mut self) -> Result<(), Fault> {
        let mut keys: Vec<Found> = Vec::new();
        for class in [ObjectClass::CERTIFICATE, ObjectClass::PUBLIC_KEY] {
            let objects = self.session.find_objects(&[Attribute::Class(class)])?;
            for object in objects.into_iter().take(KEYS_MAX) {
                match self.read_key(class, object) {
                    Ok(Some(found)) if !keys.iter().any(|k| k.blob == found.blob) => {
                        keys.push(found);
                    }
                    Ok(Some(_)) => {}
                    Ok(None) => debug!("skipping unsupported key type"),
                    Err(e) => debug!("failed to fetch key: {e}"),
                }
            }
        }
        self.keys = keys;
        Ok(())
    }

    /// What one object has; `None` for a kind of key that SSH does not know.
    fn read_key(&self, class: ObjectClass, object: ObjectHandle) -> Result<Option<Found>, Error> {
        let wanted = [
            AttributeType::Id,
            AttributeType::Label,
            AttributeType::KeyType,
            AttributeType::Modulus,
            AttributeType::PublicExponent,
            AttributeType::EcParams,
            AttributeType::EcPoint,
        ];
        let in_certificate = [
            AttributeType::Id,
            AttributeType::Label,
            AttributeType::Value,
        ];
        let certificate = class == ObjectClass::CERTIFICATE;
        let wanted: &[_] = if certificate {
            &in_certificate
        } else {
            &wanted
        };
        let mut parts = Parts::default();
        for attribute in self.session.get_attributes(object, wanted)? {
            match attribute {
                Attribute::Id(id) => parts.id = id,
                Attribute::Label(label) => parts.label = label,
                Attribute::KeyType(kind) => parts.kind = Some(kind),
                Attribute::Modulus(bytes) => parts.modulus = bytes,
                Attribute::PublicExponent(bytes) => parts.exponent = bytes,
                Attribute::EcParams(bytes) => parts.params = bytes,
                Attribute::EcPoint(bytes) => parts.point = bytes,
                Attribute::Value(bytes) => parts.value = bytes,
                _ => {}
            }
        }
        let key = match parts.kind {
            _ if certificate => certificate_key(&parts.value),
            Some(KeyType::RSA) => rsa_key(&parts.exponent, &parts.modulus),
            Some(KeyType::EC | KeyType::EC_EDWARDS) => ec_key(&parts.params, &parts.point),
            _ => None,
        };
        Ok(key.map(|key| Found {
            blob: key.to_blob(),
            key,
            label: String::from_utf8_lossy(&parts.label).into_owned(),
            id: parts.id,
        }))
    }

    fn sign(&mut self, blob: &[u8], data: &[u8], signer: Signer) -> Result<Vec<u8>, Fault> {
        // Whatever becomes of this signature, the next wants another.
        let pin = self.pin.take();
        if self.keypad {
            self.login(None)?;
        }
        let Some(found) = self.find(blob) else {
            return Err(Fault::Token("no such key in any token".into()));
        };
        let template = [
            Attribute::Class(ObjectClass::PRIVATE_KEY),
            Attribute::Id(found.id.clone()),
            Attribute::Sign(true),
        ];
        let mut privates = self.session.find_objects(&template)?;
        if privates.is_empty() {
            // Some tokens do not say which keys sign.
            privates = self.session.find_objects(&template[..2])?;
        }
        let Some(private) = privates.first().copied() else {
            return Err(if self.is_locked() {
                Fault::LoginNeeded(self.label.clone())
            } else {
                Fault::Token("no private key for that public key".into())
            });
        };
        let mechanism = match found.key {
            PublicKey::Rsa { .. } => Mechanism::RsaPkcs,
            PublicKey::Ecdsa { .. } => Mechanism::Ecdsa,
            _ => Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Ed25519)),
        };
        let made = if self.wants_pin_each_time(private) {
            self.sign_with_pin(&mechanism, private, data, signer, pin.as_ref())?
        } else {
            match self.session.sign(&mechanism, private, data) {
                Err(Error::Pkcs11(RvError::UserNotLoggedIn, _)) if self.is_locked() => {
                    return Err(Fault::LoginNeeded(self.label.clone()));
                }
                made => made?,
            }
        };
        if matches!(found.key, PublicKey::Ecdsa { .. }) {
            return ecdsa_structure(&made)
                .ok_or_else(|| Fault::Token("the token's signature has an odd form".into()));
        }
        Ok(made)
    }

    /// Whether a key is one of `CKA_ALWAYS_AUTHENTICATE`.
    fn wants_pin_each_time(&self, key: ObjectHandle) -> bool {
        // Old libraries do not know the question.
        self.session
            .get_attributes(key, &[AttributeType::AlwaysAuthenticate])
            .is_ok_and(|found| found.contains(&Attribute::AlwaysAuthenticate(true)))
    }

    /// Signs with a key that wants its PIN at each use: between the beginning
    /// of a signature and its end.
    fn sign_with_pin(
        &self,
        mechanism: &Mechanism<'_>,
        key: ObjectHandle,
        data: &[u8],
        signer: Signer,
        pin: Option<&Secret>,
    ) -> Result<Vec<u8>, Fault> {
        if pin.is_none() && !self.keypad {
            return Err(Fault::LoginNeeded(self.label.clone()));
        }
        self.session.sign_init(mechanism, key)?;
        let login = self.login_as(UserType::ContextSpecific, pin);
        // Without leave too: it is refused then, and what was begun has ended.
        let made = signer.sign(self.session.handle(), data);
        login?;
        made.map_err(|Refused(code)| Fault::Token(format!("C_Sign: {code:#x}")))
    }
}

/// What an object's attributes are.
#[derive(Default)]
struct Parts {
    id: Vec<u8>,
    label: Vec<u8>,
    kind: Option<KeyType>,
    modulus: Vec<u8>,
    exponent: Vec<u8>,
    params: Vec<u8>,
    point: Vec<u8>,
    value: Vec<u8>,
}

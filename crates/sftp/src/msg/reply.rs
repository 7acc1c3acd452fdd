//! What a server answers (draft-ietf-secsh-filexfer-02 section 7).

use carrick_wire::{Decode as _, DecodeError, Encode as _, Reader, Writer};

use super::{Attrs, Status, number};

/// The lengths of the message and of the data, and the numbers between them.
const DATA_HEAD: usize = 4 + 1 + 4 + 4;

/// An answer, without its number in the conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply<'a> {
    /// How it went.
    Status(Status<'a>),
    /// To OPEN and OPENDIR.
    Handle(&'a [u8]),
    /// To READ.
    Data(&'a [u8]),
    /// To READDIR, REALPATH, READLINK and their like.
    Names(Names<'a>),
    /// To STAT and its like.
    Attrs(Attrs),
    /// To an extended request: its kind says what is in it.
    Extended(&'a [u8]),
}

/// A file in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its name in its folder; for REALPATH and READLINK a path.
    pub name: &'a [u8],
    /// A line as `ls -l` has it.
    pub long: &'a [u8],
    /// What is known of it.
    pub attrs: Attrs,
}

/// A list of files, whole and well-formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names<'a> {
    count: u32,
    entries: &'a [u8],
}

impl<'a> Names<'a> {
    fn read(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let count = r.u32("names.count")?;
        let entries = r.rest();
        // An entry takes twelve bytes at least: the count cannot run away.
        for _ in 0..count {
            Entry::read(r)?;
        }
        Ok(Self { count, entries })
    }

    /// How many there are.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The files, in the server's order.
    pub fn iter(&self) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        let mut r = Reader::new(self.entries);
        (0..self.count).map_while(move |_| Entry::read(&mut r).ok())
    }
}

impl<'a> Entry<'a> {
    fn read(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            name: r.string("names.filename")?,
            long: r.string("names.longname")?,
            attrs: Attrs::decode(r)?,
        })
    }

    /// Appends the file to a list that is being written.
    pub fn encode(&self, w: &mut Writer<'_>) {
        w.string(self.name);
        w.string(self.long);
        self.attrs.encode(w);
    }
}

impl<'a> Reply<'a> {
    /// Reads a whole answer: its number in the conversation, and itself.
    pub fn decode(message: &'a [u8]) -> Result<(u32, Self), DecodeError> {
        let mut r = Reader::new(message);
        let number = r.u8("message number")?;
        let id = r.u32("request id")?;
        let reply = match number {
            number::STATUS => Self::Status(Status::read(&mut r)?),
            number::HANDLE => Self::Handle(r.string("handle")?),
            number::DATA => Self::Data(r.string("data")?),
            number::NAME => Self::Names(Names::read(&mut r)?),
            number::ATTRS => Self::Attrs(Attrs::decode(&mut r)?),
            number::EXTENDED_REPLY => Self::Extended(r.take_rest()),
            number => return Err(DecodeError::UnknownMessage { number }),
        };
        r.finish()?;
        Ok((id, reply))
    }

    /// Appends an answer other than a list: [`Self::encode_names`] does those.
    pub fn encode(&self, w: &mut Writer<'_>, id: u32) {
        let mut head = |number| {
            w.u8(number);
            w.u32(id);
        };
        match self {
            Self::Status(status) => {
                head(number::STATUS);
                status.write(w);
            }
            Self::Handle(handle) => {
                head(number::HANDLE);
                w.string(handle);
            }
            Self::Data(data) => {
                head(number::DATA);
                w.string(data);
            }
            Self::Names(Names { count, entries }) => {
                head(number::NAME);
                w.u32(*count);
                w.raw(entries);
            }
            Self::Attrs(attrs) => {
                head(number::ATTRS);
                attrs.encode(w);
            }
            Self::Extended(body) => {
                head(number::EXTENDED_REPLY);
                w.raw(body);
            }
        }
    }

    /// Appends a list of `count` files, whose [`Entry::encode`] `write` calls.
    pub fn encode_names(
        w: &mut Writer<'_>,
        id: u32,
        count: u32,
        write: impl FnOnce(&mut Writer<'_>),
    ) {
        w.u8(number::NAME);
        w.u32(id);
        w.u32(count);
        write(w);
    }

    /// The length of what a DATA answer has before its data.
    pub const DATA_HEAD: usize = DATA_HEAD;

    /// What a DATA answer of `len` bytes has before its data, which is put
    /// behind it without a copy. It is a whole message, its length field
    /// included.
    pub fn data_head(id: u32, len: u32) -> [u8; DATA_HEAD] {
        let mut head = [0; DATA_HEAD];
        let (message, rest) = head.split_at_mut(4);
        message.copy_from_slice(&len.saturating_add(1 + 4 + 4).to_be_bytes());
        if let Some((first, rest)) = rest.split_first_mut() {
            *first = number::DATA;
            let (ids, lens) = rest.split_at_mut(4);
            ids.copy_from_slice(&id.to_be_bytes());
            lens.copy_from_slice(&len.to_be_bytes());
        }
        head
    }

    /// In a word, for errors: what came where something else was expected.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Status(_) => "status",
            Self::Handle(_) => "handle",
            Self::Data(_) => "data",
            Self::Names(_) => "names",
            Self::Attrs(_) => "attributes",
            Self::Extended(_) => "extended reply",
        }
    }
}

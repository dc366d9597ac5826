//! What a record consists of, without what it means: which fields follow its first byte. Packed
//! recordings (`docs/format.md`) are taken apart by this and put together again.

use super::{ADDRESS_IN_SLOT, OTHER_FUNCTION, SITE_IN_SLOT, TIME_FOLLOWS, TIME_SHIFT, kind};

/// A field of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The stamps since the latest record, less those that the first byte says.
    Time,
    /// The stamps that a reallocation took.
    Duration,
    /// The number of a function.
    Function,
    /// The number of a space.
    Space,
    /// The slot of an address.
    AddressSlot,
    /// The difference of an address to the latest.
    Address,
    /// The difference of a reallocation's new address to its old one.
    NewAddress,
    /// The slot of a site.
    SiteSlot,
    /// The size of a site, or of a mapping that ends.
    Size,
    /// The stack of a site.
    Stack,
    /// The content of an extended record, after its length.
    Content,
}

/// How many bytes a field takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// One.
    Byte,
    /// Those of a LEB128 varint.
    Varint,
    /// A varint, and then as many as that says.
    Counted,
}

impl Field {
    /// How many kinds of fields there are.
    pub const COUNT: usize = Field::Content as usize + 1;

    /// Returns how many bytes it takes.
    #[inline]
    #[must_use]
    pub const fn width(self) -> Width {
        match self {
            Field::Function | Field::Space | Field::AddressSlot | Field::SiteSlot => Width::Byte,
            Field::Content => Width::Counted,
            _ => Width::Varint,
        }
    }
}

/// The most fields that follow a first byte.
const FIELDS_MAX: usize = 6;

/// The fields of the records with one first byte, in their order.
#[derive(Clone, Copy, Debug)]
pub struct Fields {
    fields: [Field; FIELDS_MAX],
    len: u8,
}

impl Fields {
    /// Returns those that follow `first`; but a [`Field::Size`] follows too in an untrack whose space is that of the mappings:
    /// [`is_untrack`].
    #[inline]
    #[must_use]
    pub fn after(first: u8) -> &'static [Field] {
        let Fields { fields, len } = &TABLE[usize::from(first)];
        fields.get(..usize::from(*len)).unwrap_or_default()
    }

    const fn of(first: u8) -> Fields {
        let mut fields = Fields { fields: [Field::Content; FIELDS_MAX], len: 0 };
        let kind = first & 7;
        if kind == kind::EXTENDED {
            return fields.and(Field::Content);
        }
        if first as u64 >> TIME_SHIFT == TIME_FOLLOWS {
            fields = fields.and(Field::Time);
        }
        fields = match kind {
            kind::REALLOCATE => fields.and(Field::Duration),
            kind::ALLOCATE => fields.and(Field::Function),
            kind::FREE if first & OTHER_FUNCTION != 0 => fields.and(Field::Function),
            kind::TRACK | kind::UNTRACK => fields.and(Field::Space),
            _ => fields,
        };
        fields = fields.and(if first & ADDRESS_IN_SLOT != 0 { Field::AddressSlot } else { Field::Address });
        if kind == kind::REALLOCATE {
            fields = fields.and(Field::NewAddress);
        }
        match kind {
            kind::FREE | kind::UNTRACK => fields,
            _ if first & SITE_IN_SLOT != 0 => fields.and(Field::SiteSlot),
            _ => fields.and(Field::Size).and(Field::Stack),
        }
    }

    const fn and(mut self, field: Field) -> Fields {
        self.fields[self.len as usize] = field;
        self.len += 1;
        self
    }
}

static TABLE: [Fields; 256] = {
    let mut table = [Fields::of(0); 256];
    let mut first = 0;
    while first < table.len() {
        table[first] = Fields::of(first as u8);
        first += 1;
    }
    table
};

/// Tells whether `first` begins an untrack, whose fields depend on its space.
#[inline]
#[must_use]
pub const fn is_untrack(first: u8) -> bool {
    first & 7 == kind::UNTRACK
}

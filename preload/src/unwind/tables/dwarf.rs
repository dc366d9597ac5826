//! The numbers of DWARF call frame instructions, expressions and pointer encodings that unwind tables use.
//!
//! A flat table: DWARF 5 sections 7.7.1 and 7.24, LSB Core "DWARF Exception Header Encoding".

#![allow(missing_docs, non_upper_case_globals, reason = "the names are those of the standards")]

// Call frame instructions; the first three hold an operand in their lower six bits.
pub const DW_CFA_advance_loc: u8 = 0x40;
pub const DW_CFA_offset: u8 = 0x80;
pub const DW_CFA_restore: u8 = 0xc0;
pub const DW_CFA_nop: u8 = 0x00;
pub const DW_CFA_set_loc: u8 = 0x01;
pub const DW_CFA_advance_loc1: u8 = 0x02;
pub const DW_CFA_advance_loc2: u8 = 0x03;
pub const DW_CFA_advance_loc4: u8 = 0x04;
pub const DW_CFA_offset_extended: u8 = 0x05;
pub const DW_CFA_restore_extended: u8 = 0x06;
pub const DW_CFA_undefined: u8 = 0x07;
pub const DW_CFA_same_value: u8 = 0x08;
pub const DW_CFA_register: u8 = 0x09;
pub const DW_CFA_remember_state: u8 = 0x0a;
pub const DW_CFA_restore_state: u8 = 0x0b;
pub const DW_CFA_def_cfa: u8 = 0x0c;
pub const DW_CFA_def_cfa_register: u8 = 0x0d;
pub const DW_CFA_def_cfa_offset: u8 = 0x0e;
pub const DW_CFA_def_cfa_expression: u8 = 0x0f;
pub const DW_CFA_expression: u8 = 0x10;
pub const DW_CFA_offset_extended_sf: u8 = 0x11;
pub const DW_CFA_def_cfa_sf: u8 = 0x12;
pub const DW_CFA_def_cfa_offset_sf: u8 = 0x13;
pub const DW_CFA_val_offset: u8 = 0x14;
pub const DW_CFA_val_offset_sf: u8 = 0x15;
pub const DW_CFA_val_expression: u8 = 0x16;
pub const DW_CFA_AARCH64_negate_ra_state: u8 = 0x2d;
pub const DW_CFA_GNU_args_size: u8 = 0x2e;
pub const DW_CFA_GNU_negative_offset_extended: u8 = 0x2f;

// Operations of expressions.
pub const DW_OP_deref: u8 = 0x06;
pub const DW_OP_const1u: u8 = 0x08;
pub const DW_OP_const1s: u8 = 0x09;
pub const DW_OP_const2u: u8 = 0x0a;
pub const DW_OP_const2s: u8 = 0x0b;
pub const DW_OP_const4u: u8 = 0x0c;
pub const DW_OP_const4s: u8 = 0x0d;
pub const DW_OP_const8u: u8 = 0x0e;
pub const DW_OP_const8s: u8 = 0x0f;
pub const DW_OP_constu: u8 = 0x10;
pub const DW_OP_consts: u8 = 0x11;
pub const DW_OP_dup: u8 = 0x12;
pub const DW_OP_drop: u8 = 0x13;
pub const DW_OP_and: u8 = 0x1a;
pub const DW_OP_minus: u8 = 0x1c;
pub const DW_OP_mul: u8 = 0x1e;
pub const DW_OP_neg: u8 = 0x1f;
pub const DW_OP_not: u8 = 0x20;
pub const DW_OP_or: u8 = 0x21;
pub const DW_OP_plus: u8 = 0x22;
pub const DW_OP_plus_uconst: u8 = 0x23;
pub const DW_OP_shl: u8 = 0x24;
pub const DW_OP_shr: u8 = 0x25;
pub const DW_OP_xor: u8 = 0x27;
pub const DW_OP_eq: u8 = 0x29;
pub const DW_OP_ge: u8 = 0x2a;
pub const DW_OP_gt: u8 = 0x2b;
pub const DW_OP_le: u8 = 0x2c;
pub const DW_OP_lt: u8 = 0x2d;
pub const DW_OP_ne: u8 = 0x2e;
pub const DW_OP_lit0: u8 = 0x30;
pub const DW_OP_breg0: u8 = 0x70;
pub const DW_OP_bregx: u8 = 0x92;
pub const DW_OP_nop: u8 = 0x96;

// Pointer encodings: format in bits 0 to 3, what it counts from in bits 4 to 6.
pub const DW_EH_PE_absptr: u8 = 0x00;
pub const DW_EH_PE_uleb128: u8 = 0x01;
pub const DW_EH_PE_udata2: u8 = 0x02;
pub const DW_EH_PE_udata4: u8 = 0x03;
pub const DW_EH_PE_udata8: u8 = 0x04;
pub const DW_EH_PE_sleb128: u8 = 0x09;
pub const DW_EH_PE_sdata2: u8 = 0x0a;
pub const DW_EH_PE_sdata4: u8 = 0x0b;
pub const DW_EH_PE_sdata8: u8 = 0x0c;
pub const DW_EH_PE_pcrel: u8 = 0x10;
pub const DW_EH_PE_datarel: u8 = 0x30;
pub const DW_EH_PE_indirect: u8 = 0x80;
pub const DW_EH_PE_omit: u8 = 0xff;

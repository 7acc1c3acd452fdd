//! An async SSH client and server library

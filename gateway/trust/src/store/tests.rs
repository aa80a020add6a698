pub(super) mod killed;

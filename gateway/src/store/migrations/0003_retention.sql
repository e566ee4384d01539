-- Readings older than `store.retention_days` leave; what they were called stays, so that a device
-- which still holds them and sends them again is told that they are known.
create table forgotten (
    id          blob primary key,              -- UUIDv5 of the observation or of the set-aside payload
    journal_seq integer not null               -- its raw row, gone as well
) strict, without rowid;

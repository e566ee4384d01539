-- Whose a device and whose a reading is: a flipped bit must not make it somebody else's. CRC-32 over the
-- other columns; rows of an earlier schema get theirs when the file is opened.
alter table attribution add column checksum integer;
create index attribution_unsummed on attribution (seq) where checksum is null;
alter table device_owner add column checksum integer;

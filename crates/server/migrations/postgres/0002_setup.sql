-- Raised by each change of organizations, websites, keys and revocations, in its transaction: by it a node notices what
-- another one has changed.
INSERT INTO meta (key, value) VALUES ('setup', '0');

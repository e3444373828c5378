-- Gives back all fields of a user; by a script, since a script's answer has one form in every version of the protocol.
-- KEYS  user
return redis.call('HGETALL', KEYS[1])

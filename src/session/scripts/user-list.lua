-- Returns all fields of a user. A script's reply has the same form in both versions of the Redis protocol; that of a
-- bare HGETALL does not.
-- KEYS  user
return redis.call('HGETALL', KEYS[1])

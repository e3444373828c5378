-- Returns all fields of a user. The reply of a script has the same form in both versions of the Redis protocol. The
-- reply of HGETALL itself does not.
-- KEYS  User.
return redis.call('HGETALL', KEYS[1])

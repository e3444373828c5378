-- Returns all fields of a user. A script is used because its reply has the same form in both versions of the Redis
-- protocol, unlike that of HGETALL.
-- KEYS  User.
return redis.call('HGETALL', KEYS[1])

-- Returns all fields of a user's hash. The reply of a script has the same form in both versions of the Redis protocol,
-- but the reply of a direct HGETALL command does not.
-- KEYS  Key of the user's hash.
return redis.call('HGETALL', KEYS[1])

/**
 * Rejects requests that @grpc/proto-loader would change without an error, with a TypeError that names the field.
 *
 * 1. Rejects a string in a bytes field, which the loader would decode as base64.
 * 2. Rejects an unknown field, which the loader would ignore.
 * 3. Rejects a value of another type, which the loader would convert.
 *
 * `definition`, which the loader creates from the protos, describes the fields of each message.
 */
const NUMBER_TYPES = new Set(['TYPE_INT32', 'TYPE_INT64', 'TYPE_UINT32', 'TYPE_UINT64']);

/** Throws a TypeError if `request` does not match the request type of `method`. */
export function checkRequest(definition, method, request) {
  const { type } = method.requestType;
  const packageName = method.path.slice(1, method.path.lastIndexOf('.'));
  checkMessage({ definition, packageName, name: type.name }, type, request, '');
}

function checkMessage(context, type, value, path) {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    fail(context, path, `must be an object, got ${kindOf(value)}`);
  }
  for (const [key, each] of Object.entries(value)) {
    const field = type.field.find(({ name }) => name === key);
    if (field === undefined) {
      const names = type.field.map(({ name }) => name);
      const hint = suggest(key, names) ?? `must be one of ${names.join(', ')}`;
      throw new TypeError(`unknown field "${join(path, key)}" in ${context.name}; ${hint}`);
    }
    // undefined and null mean that the field is unset.
    if (each !== undefined && each !== null) {
      checkField(context, type, field, each, join(path, key));
    }
  }
}

function checkField(context, type, field, value, path) {
  const nested = type.nestedType.find(({ name }) => name === field.typeName);
  if (nested?.options?.mapEntry) {
    if (typeof value !== 'object' || Array.isArray(value)) {
      fail(context, path, `must be an object, got ${kindOf(value)}`);
    }
    const valueField = nested.field.find(({ number }) => number === 2);
    for (const [key, each] of Object.entries(value)) {
      checkValue(context, valueField, each, `${path}[${JSON.stringify(key)}]`);
    }
  } else if (field.label === 'LABEL_REPEATED') {
    if (!Array.isArray(value)) {
      fail(context, path, `must be an array, got ${kindOf(value)}`);
    }
    value.forEach((each, index) => {
      checkValue(context, field, each, `${path}[${index}]`);
    });
  } else {
    checkValue(context, field, value, path);
  }
}

function checkValue(context, { type, typeName }, value, path) {
  if (type === 'TYPE_MESSAGE') {
    checkMessage(context, declared(context, typeName), value, path);
  } else if (type === 'TYPE_ENUM') {
    checkEnum(context, declared(context, typeName), value, path);
  } else if (type === 'TYPE_BYTES' && !(value instanceof Uint8Array)) {
    const hint = typeof value === 'string' ? '; use Buffer.from(text)' : '';
    fail(context, path, `must be a Buffer or Uint8Array, got ${kindOf(value)}${hint}`);
  } else if (NUMBER_TYPES.has(type) && !Number.isSafeInteger(value)) {
    fail(context, path, `must be a whole number, got ${typeof value === 'number' ? value : kindOf(value)}`);
  } else if (type === 'TYPE_STRING' && typeof value !== 'string') {
    fail(context, path, `must be a string, got ${kindOf(value)}`);
  } else if (type === 'TYPE_BOOL' && typeof value !== 'boolean') {
    fail(context, path, `must be a boolean, got ${kindOf(value)}`);
  }
}

function checkEnum(context, { value: values }, value, path) {
  const names = values.map(({ name }) => name);
  if (!names.includes(value) && !Number.isInteger(value)) {
    const nearest = typeof value === 'string' ? suggest(value, names) : undefined;
    const got = typeof value === 'string' ? JSON.stringify(value) : kindOf(value);
    fail(context, path, `must be one of ${names.join(', ')}, got ${got}${nearest === undefined ? '' : `; ${nearest}`}`);
  }
}

function declared({ definition, packageName }, typeName) {
  return definition[`${packageName}.${typeName}`].type;
}

function fail({ name }, path, text) {
  throw new TypeError(path === '' ? `${name} ${text}` : `${name}: ${path} ${text}`);
}

function join(path, key) {
  return path === '' ? key : `${path}.${key}`;
}

function kindOf(value) {
  if (value === null || value === undefined) {
    return String(value);
  }
  if (Array.isArray(value)) {
    return 'an array';
  }
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

function suggest(word, names) {
  const [nearest] = names
    .map((name) => ({ name, distance: editDistance(word.toLowerCase(), name.toLowerCase()) }))
    .filter(({ distance }) => distance <= Math.max(2, word.length / 3))
    .sort((left, right) => left.distance - right.distance);
  return nearest === undefined ? undefined : `did you mean "${nearest.name}"?`;
}

/** Returns the minimum number of letters to add, remove or replace to turn `left` into `right`. */
function editDistance(left, right) {
  let previous = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let row = 1; row <= left.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= right.length; column += 1) {
      const replaced = previous[column - 1] + (left[row - 1] === right[column - 1] ? 0 : 1);
      current.push(Math.min(replaced, previous[column] + 1, current[column - 1] + 1));
    }
    previous = current;
  }
  return previous[right.length];
}

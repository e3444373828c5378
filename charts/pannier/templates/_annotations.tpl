{{/* Generated from src/injection/annotations.ts by `make docs`. Do not edit. */}}

{{/* Annotations that a user may set on a pod. */}}
{{- define "pannier.podAnnotations" -}}
- pannier.dev/inject
- pannier.dev/image
- pannier.dev/image-pull-policy
- pannier.dev/image-pull-secrets
- pannier.dev/cpu-request
- pannier.dev/cpu-limit
- pannier.dev/memory-request
- pannier.dev/memory-limit
- pannier.dev/ephemeral-storage-request
- pannier.dev/ephemeral-storage-limit
- pannier.dev/log-level
- pannier.dev/policies
- pannier.dev/redis-url
- pannier.dev/redis-secret
- pannier.dev/redis-tls-secret
- pannier.dev/scope
- pannier.dev/default-deadline-ms
- pannier.dev/drain-timeout-ms
- pannier.dev/grpc-port
- pannier.dev/admin-port
- pannier.dev/socket
- pannier.dev/native
- pannier.dev/after
- pannier.dev/grpc-transport
- pannier.dev/env
{{- end -}}

{{/* Annotations that injection sets on a pod. */}}
{{- define "pannier.statusAnnotations" -}}
- pannier.dev/injected
- pannier.dev/version
- pannier.dev/config-hash
- pannier.dev/kept
- pannier.dev/added
{{- end -}}

{{/* Validations of the values of these annotations. */}}
{{- define "pannier.annotationValidations" -}}
- expression: >-
    variables.isSilent || !('pannier.dev/inject' in variables.annotations) || variables.annotations['pannier.dev/inject'] in ["true", "false"]
  messageExpression: >-
    "cannot inject Pannier: annotation pannier.dev/inject is " + (variables.annotations['pannier.dev/inject'].matches("://[^\\s/]*@") ? 'invalid (its value may hold a password)' : "'" + (variables.annotations['pannier.dev/inject'].size() > 80 ? variables.annotations['pannier.dev/inject'].substring(0, 80) + '...' : variables.annotations['pannier.dev/inject']).replace('\n', ' ').replace('\r', ' ') + "'") + "; set it to \"true\" or \"false\""
- expression: >-
    variables.isSilent || !('pannier.dev/image' in variables.annotations) || variables.annotations['pannier.dev/image'].size() <= 512 && variables.annotations['pannier.dev/image'].matches("^[a-zA-Z0-9]([a-zA-Z0-9._-]*[a-zA-Z0-9])?(:[0-9]{1,5})?(/[a-z0-9._-]+)*(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(@sha256:[0-9a-f]{64})?$") && variables.annotations['pannier.dev/image'].matches("[:@][^/]*$")
  messageExpression: >-
    "cannot inject Pannier: annotation pannier.dev/image is " + (variables.annotations['pannier.dev/image'].matches("://[^\\s/]*@") ? 'invalid (its value may hold a password)' : "'" + (variables.annotations['pannier.dev/image'].size() > 80 ? variables.annotations['pannier.dev/image'].substring(0, 80) + '...' : variables.annotations['pannier.dev/image']).replace('\n', ' ').replace('\r', ' ') + "'") + "; set it to an image with a tag or a digest, NAME:TAG or NAME@sha256:DIGEST"
- expression: >-
    variables.isSilent || !('pannier.dev/image-pull-policy' in variables.annotations) || variables.annotations['pannier.dev/image-pull-policy'] in ["Always", "IfNotPresent", "Never"]
  messageExpression: >-
    "cannot inject Pannier: annotation pannier.dev/image-pull-policy is " + (variables.annotations['pannier.dev/image-pull-policy'].matches("://[^\\s/]*@") ? 'invalid (its value may hold a password)' : "'" + (variables.annotations['pannier.dev/image-pull-policy'].size() > 80 ? variables.annotations['pannier.dev/image-pull-policy'].substring(0, 80) + '...' : variables.annotations['pannier.dev/image-pull-policy']).replace('\n', ' ').replace('\r', ' ') + "'") + "; set it to one of Always, IfNotPresent, Never"
- expression: >-
    variables.isSilent || !('pannier.dev/image-pull-secrets' in variables.annotations) || variables.annotations['pannier.dev/image-pull-secrets'].matches("^[^!-~]*[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*[^!-~]*(,[^!-~]*[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*[^!-~]*)*$")
  messageExpression: >-
    "cannot inject Pannier: annotation pannier.dev/image-pull-secrets is " + (variables.annotations['pannier.dev/image-pull-secrets'].matches("://[^\\s/]*@") ? 'invalid (its value may hold a password)' : "'" + (variables.annotations['pannier.dev/image-pull-secrets'].size() > 80 ? variables.annotations['pannier.dev/image-pull-secrets'].substring(0, 80) + '...' : variables.annotations['pannier.dev/image-pull-secrets']).replace('\n', ' ').replace('\r', ' ') + "'") + "; set it to 1 to 16 different names of Secrets in the pod's namespace (lower-case letters, digits, - and .), separated by commas"
- expression: >-
    variables.isSilent || !('pannier.dev/cpu-request' in variables.annotations) || variables.annotations['pannier.dev/cpu-request'].matches("^[0-9]{1,15}([.][0-9]{1,9})?(m)?$") && quantity(variables.annotations['pannier.dev/cpu-request']).compareTo(quantity('1m')) >= 0 && quantity(variables.annotations['pannier.dev/cpu-request']).compareTo(quantity('64')) <= 0
  messageExpression: >-
    "cannot inject Pannier: annotation pannier.dev/cpu-request is " + (variables.annotations['pannier.dev/cpu-request'].matches("://[^\\s/]*@") ? 'invalid (its value may hold a password)' : "'" + (variables.annotations['pannier.dev/cpu-request'].size() > 80 ? variables.annotations['pannier.dev/cpu-request'].substring(0, 80) + '...' : variables.annotations['pannier.dev/cpu-request']).replace('\n', ' ').replace('\r', ' ') + "'") + "; set it to a CPU quantity from 1m to 64, such as 10m or 0.5"
- expression: >-
    variables.isSilent || !('pannier.dev/cpu-limit' in variables.annotations) || variables.annotations['pannier.dev/cpu-limit'].matches("^[0-9]{1,15}([.][0-9]{1,9})?(m)?$") && quantity(variables.annotations['pannier.dev/cpu-limit']).compareTo(quantity('1m')) >= 0 && quantity(variables.annotations['pannier.dev/cpu-limit']).compareTo(quantity('64')) <= 0
  messageExpression: >-
    "cannot inject Pannier: annotation pannier.dev/cpu-limit is " + (variables.annotations['pannier.dev/cpu-limit'].matches("://[^\\s/]*@") ? 'invalid (its value may hold a password)' : "'" + (variables.annotations['pannier.dev/cpu-limit'].size() > 80 ? variables.annotations['pannier.dev/cpu-limit'].substring(0, 80) + '...' : variables.annotations['pannier.dev/cpu-limit']).replace('\n', ' ').replace('\r', ' ') + "'") + "; set it to a CPU quantity from 1m to 64, such as 10m or 0.5"
- expression: >-
    variables.isSilent || !('pannier.dev/memory-request' in variables.annotations) || variables.annotations['pannier.dev/memory-request'].matches("^[0-9]{1,15}([.][0-9]{1,9})?(k|M|G|T|Ki|Mi|Gi|Ti)?$") && quantity(variables.annotations['pannier.dev/memory-request']).compareTo(quantity('1Mi')) >= 0 && quantity(variables.annotations['pannier.dev/memory-request']).compareTo(quantity('64Gi')) <= 0
  messageExpression: >-
    "cannot inject Pannier: annotation pannier.dev/memory-request is " + (variables.annotations['pannier.dev/memory-request'].matches("://[^\\s/]*@") ? 'invalid (its value may hold a password)' : "'" + (variables.annotations['pannier.dev/memory-request'].size() > 80 ? variables.annotations['pannier.dev/memory-request'].substring(0, 80) + '...' : variables.annotations['pannier.dev/memory-request']).replace('\n', ' ').replace('\r', ' ') + "'") + "; set it to a memory quantity from 1Mi to 64Gi, such as 96Mi"
- expression: >-
    variables.isSilent || !('pannier.dev/memory-limit' in variables.annotations) || variables.annotations['pannier.dev/memory-limit'].matches("^[0-9]{1,15}([.][0-9]{1,9})?(k|M|G|T|Ki|Mi|Gi|Ti)?$") && quantity(variables.annotations['pannier.dev/memory-limit']).compareTo(quantity('96Mi')) >= 0 && quantity(variables.annotations['pannier.dev/memory-limit']).compareTo(quantity('64Gi')) <= 0
  messageExpression: >-
    "cannot inject Pannier: annotation pannier.dev/memory-limit is " + (variables.annotations['pannier.dev/memory-limit'].matches("://[^\\s/]*@") ? 'invalid (its value may hold a password)' : "'" + (variables.annotations['pannier.dev/memory-limit'].size() > 80 ? variables.annotations['pannier.dev/memory-limit'].substring(0, 80) + '...' : variables.annotations['pannier.dev/memory-limit']).replace('\n', ' ').replace('\r', ' ') + "'") + "; set it to a memory quantity from 96Mi to 64Gi, such as 192Mi"
- expression: >-
    variables.isSilent || !('pannier.dev/ephemeral-storage-request' in variables.annotations) || variables.annotations['pannier.dev/ephemeral-storage-request'].matches("^[0-9]{1,15}([.][0-9]{1,9})?(k|M|G|T|Ki|Mi|Gi|Ti)?$") && quantity(variables.annotations['pannier.dev/ephemeral-storage-request']).compareTo(quantity('1Mi')) >= 0 && quantity(variables.annotations['pannier.dev/ephemeral-storage-request']).compareTo(quantity('16Ti')) <= 0
  messageExpression: >-
    "cannot inject Pannier: annotation pannier.dev/ephemeral-storage-request is " + (variables.annotations['pannier.dev/ephemeral-storage-request'].matches("://[^\\s/]*@") ? 'invalid (its value may hold a password)' : "'" + (variables.annotations['pannier.dev/ephemeral-storage-request'].size() > 80 ? variables.annotations['pannier.dev/ephemeral-storage-request'].substring(0, 80) + '...' : variables.annotations['pannier.dev/ephemeral-storage-request']).replace('\n', ' ').replace('\r', ' ') + "'") + "; set it to a storage quantity from 1Mi to 16Ti, such as 1Gi"
- expression: >-
    variables.isSilent || !('pannier.dev/ephemeral-storage-limit' in variables.annotations) || variables.annotations['pannier.dev/ephemeral-storage-limit'].matches("^[0-9]{1,15}([.][0-9]{1,9})?(k|M|G|T|Ki|Mi|Gi|Ti)?$") && quantity(variables.annotations['pannier.dev/ephemeral-storage-limit']).compareTo(quantity('1Mi')) >= 0 && quantity(variables.annotations['pannier.dev/ephemeral-storage-limit']).compareTo(quantity('16Ti')) <= 0
  messageExpression: >-
    "cannot inject Pannier: annotation pannier.dev/ephemeral-storage-limit is " + (variables.annotations['pannier.dev/ephemeral-storage-limit'].matches("://[^\\s/]*@") ? 'invalid (its value may hold a password)' : "'" + (variables.annotations['pannier.dev/ephemeral-storage-limit'].size() > 80 ? variables.annotations['pannier.dev/ephemeral-storage-limit'].substring(0, 80) + '...' : variables.annotations['pannier.dev/ephemeral-storage-limit']).replace('\n', ' ').replace('\r', ' ') + "'") + "; set it to a storage quantity from 1Mi to 16Ti, such as 1Gi"
- expression: >-
    variables.isSilent || !('pannier.dev/log-level' in variables.annotations) || variables.annotations['pannier.dev/log-level'] in ["trace", "debug", "info", "warn", "error", "fatal", "silent"]
  messageExpression: >-
    "cannot inject Pannier: annotation pannier.dev/log-level is " + (variables.annotations['pannier.dev/log-level'].matches("://[^\\s/]*@") ? 'invalid (its value may hold a password)' : "'" + (variables.annotations['pannier.dev/log-level'].size() > 80 ? variables.annotations['pannier.dev/log-level'].substring(0, 80) + '...' : variables.annotations['pannier.dev/log-level']).replace('\n', ' ').replace('\r', ' ') + "'") + "; set it to one of trace, debug, info, warn, error, fatal, silent"
- expression: >-
    variables.isSilent || !('pannier.dev/policies' in variables.annotations) || variables.annotations['pannier.dev/policies'].size() <= 253 && variables.annotations['pannier.dev/policies'].matches("^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
  messageExpression: >-
    "cannot inject Pannier: annotation pannier.dev/policies is " + (variables.annotations['pannier.dev/policies'].matches("://[^\\s/]*@") ? 'invalid (its value may hold a password)' : "'" + (variables.annotations['pannier.dev/policies'].size() > 80 ? variables.annotations['pannier.dev/policies'].substring(0, 80) + '...' : variables.annotations['pannier.dev/policies']).replace('\n', ' ').replace('\r', ' ') + "'") + "; set it to the name of a ConfigMap in the pod's namespace (lower-case letters, digits, - and .)"
- expression: >-
    variables.isSilent || !('pannier.dev/redis-url' in variables.annotations) || variables.annotations['pannier.dev/redis-url'].matches("^([^!-~]*[Rr][Ee][Dd][Ii][Ss]://([^/?#,]*@)?([A-Za-z0-9._-]+|\\[[0-9A-Fa-f:][^\\]/?#,]*\\])(:[0-9]{1,9})?(/0?)?[^!-~]*(,[^!-~]*[Rr][Ee][Dd][Ii][Ss]://([^/?#,]*@)?([A-Za-z0-9._-]+|\\[[0-9A-Fa-f:][^\\]/?#,]*\\])(:[0-9]{1,9})?(/0?)?[^!-~]*)*|[^!-~]*[Rr][Ee][Dd][Ii][Ss][Ss]://([^/?#,]*@)?([A-Za-z0-9._-]+|\\[[0-9A-Fa-f:][^\\]/?#,]*\\])(:[0-9]{1,9})?(/0?)?[^!-~]*(,[^!-~]*[Rr][Ee][Dd][Ii][Ss][Ss]://([^/?#,]*@)?([A-Za-z0-9._-]+|\\[[0-9A-Fa-f:][^\\]/?#,]*\\])(:[0-9]{1,9})?(/0?)?[^!-~]*)*|[^!-~]*[Rr][Ee][Dd][Ii][Ss][Ss]?[+][Ss][Ee][Nn][Tt][Ii][Nn][Ee][Ll]://([^/?#]*@)?[^!-~]*([A-Za-z0-9._-]+|\\[[0-9A-Fa-f:][^\\]/?#,]*\\])(:[0-9]{1,9})?[^!-~]*(,[^!-~]*([A-Za-z0-9._-]+|\\[[0-9A-Fa-f:][^\\]/?#,]*\\])(:[0-9]{1,9})?[^!-~]*)*/[A-Za-z0-9._-]{1,128}[^!-~]*)$")
  messageExpression: >-
    "cannot inject Pannier: annotation pannier.dev/redis-url is " + 'invalid (its value may hold a password)' + "; set it to redis://HOST:PORT or rediss://HOST:PORT (several of one scheme separated by commas, without a database number), or redis+sentinel://HOST:PORT,HOST:PORT/NAME or rediss+sentinel:// for Sentinels"
- expression: >-
    variables.isSilent || !('pannier.dev/redis-secret' in variables.annotations) || variables.annotations['pannier.dev/redis-secret'].size() <= 253 && variables.annotations['pannier.dev/redis-secret'].matches("^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
  messageExpression: >-
    "cannot inject Pannier: annotation pannier.dev/redis-secret is " + (variables.annotations['pannier.dev/redis-secret'].matches("://[^\\s/]*@") ? 'invalid (its value may hold a password)' : "'" + (variables.annotations['pannier.dev/redis-secret'].size() > 80 ? variables.annotations['pannier.dev/redis-secret'].substring(0, 80) + '...' : variables.annotations['pannier.dev/redis-secret']).replace('\n', ' ').replace('\r', ' ') + "'") + "; set it to the name of a Secret in the pod's namespace (lower-case letters, digits, - and .)"
- expression: >-
    variables.isSilent || !('pannier.dev/redis-tls-secret' in variables.annotations) || variables.annotations['pannier.dev/redis-tls-secret'].size() <= 253 && variables.annotations['pannier.dev/redis-tls-secret'].matches("^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
  messageExpression: >-
    "cannot inject Pannier: annotation pannier.dev/redis-tls-secret is " + (variables.annotations['pannier.dev/redis-tls-secret'].matches("://[^\\s/]*@") ? 'invalid (its value may hold a password)' : "'" + (variables.annotations['pannier.dev/redis-tls-secret'].size() > 80 ? variables.annotations['pannier.dev/redis-tls-secret'].substring(0, 80) + '...' : variables.annotations['pannier.dev/redis-tls-secret']).replace('\n', ' ').replace('\r', ' ') + "'") + "; set it to the name of a Secret in the pod's namespace (lower-case letters, digits, - and .)"
- expression: >-
    variables.isSilent || !('pannier.dev/scope' in variables.annotations) || variables.annotations['pannier.dev/scope'].matches("^[A-Za-z0-9._-]{1,64}$")
  messageExpression: >-
    "cannot inject Pannier: annotation pannier.dev/scope is " + (variables.annotations['pannier.dev/scope'].matches("://[^\\s/]*@") ? 'invalid (its value may hold a password)' : "'" + (variables.annotations['pannier.dev/scope'].size() > 80 ? variables.annotations['pannier.dev/scope'].substring(0, 80) + '...' : variables.annotations['pannier.dev/scope']).replace('\n', ' ').replace('\r', ' ') + "'") + "; set it to 1 to 64 characters of [A-Za-z0-9._-]"
- expression: >-
    variables.isSilent || !('pannier.dev/default-deadline-ms' in variables.annotations) || variables.annotations['pannier.dev/default-deadline-ms'].matches("^[0-9]{1,15}$") && int(variables.annotations['pannier.dev/default-deadline-ms']) >= 1 && int(variables.annotations['pannier.dev/default-deadline-ms']) <= 600000
  messageExpression: >-
    "cannot inject Pannier: annotation pannier.dev/default-deadline-ms is " + (variables.annotations['pannier.dev/default-deadline-ms'].matches("://[^\\s/]*@") ? 'invalid (its value may hold a password)' : "'" + (variables.annotations['pannier.dev/default-deadline-ms'].size() > 80 ? variables.annotations['pannier.dev/default-deadline-ms'].substring(0, 80) + '...' : variables.annotations['pannier.dev/default-deadline-ms']).replace('\n', ' ').replace('\r', ' ') + "'") + "; set it to an integer from 1 to 600000 ms"
- expression: >-
    variables.isSilent || !('pannier.dev/drain-timeout-ms' in variables.annotations) || variables.annotations['pannier.dev/drain-timeout-ms'].matches("^[0-9]{1,15}$") && int(variables.annotations['pannier.dev/drain-timeout-ms']) >= 0 && int(variables.annotations['pannier.dev/drain-timeout-ms']) <= 600000
  messageExpression: >-
    "cannot inject Pannier: annotation pannier.dev/drain-timeout-ms is " + (variables.annotations['pannier.dev/drain-timeout-ms'].matches("://[^\\s/]*@") ? 'invalid (its value may hold a password)' : "'" + (variables.annotations['pannier.dev/drain-timeout-ms'].size() > 80 ? variables.annotations['pannier.dev/drain-timeout-ms'].substring(0, 80) + '...' : variables.annotations['pannier.dev/drain-timeout-ms']).replace('\n', ' ').replace('\r', ' ') + "'") + "; set it to an integer from 0 to 600000 ms"
- expression: >-
    variables.isSilent || !('pannier.dev/grpc-port' in variables.annotations) || variables.annotations['pannier.dev/grpc-port'].matches("^[0-9]{1,15}$") && int(variables.annotations['pannier.dev/grpc-port']) >= 1024 && int(variables.annotations['pannier.dev/grpc-port']) <= 65535
  messageExpression: >-
    "cannot inject Pannier: annotation pannier.dev/grpc-port is " + (variables.annotations['pannier.dev/grpc-port'].matches("://[^\\s/]*@") ? 'invalid (its value may hold a password)' : "'" + (variables.annotations['pannier.dev/grpc-port'].size() > 80 ? variables.annotations['pannier.dev/grpc-port'].substring(0, 80) + '...' : variables.annotations['pannier.dev/grpc-port']).replace('\n', ' ').replace('\r', ' ') + "'") + "; set it to an integer from 1024 to 65535"
- expression: >-
    variables.isSilent || !('pannier.dev/admin-port' in variables.annotations) || variables.annotations['pannier.dev/admin-port'].matches("^[0-9]{1,15}$") && int(variables.annotations['pannier.dev/admin-port']) >= 1024 && int(variables.annotations['pannier.dev/admin-port']) <= 65535
  messageExpression: >-
    "cannot inject Pannier: annotation pannier.dev/admin-port is " + (variables.annotations['pannier.dev/admin-port'].matches("://[^\\s/]*@") ? 'invalid (its value may hold a password)' : "'" + (variables.annotations['pannier.dev/admin-port'].size() > 80 ? variables.annotations['pannier.dev/admin-port'].substring(0, 80) + '...' : variables.annotations['pannier.dev/admin-port']).replace('\n', ' ').replace('\r', ' ') + "'") + "; set it to an integer from 1024 to 65535"
- expression: >-
    variables.isSilent || !('pannier.dev/socket' in variables.annotations) || variables.annotations['pannier.dev/socket'] in ["true", "false"]
  messageExpression: >-
    "cannot inject Pannier: annotation pannier.dev/socket is " + (variables.annotations['pannier.dev/socket'].matches("://[^\\s/]*@") ? 'invalid (its value may hold a password)' : "'" + (variables.annotations['pannier.dev/socket'].size() > 80 ? variables.annotations['pannier.dev/socket'].substring(0, 80) + '...' : variables.annotations['pannier.dev/socket']).replace('\n', ' ').replace('\r', ' ') + "'") + "; set it to \"true\" or \"false\""
- expression: >-
    variables.isSilent || !('pannier.dev/native' in variables.annotations) || variables.annotations['pannier.dev/native'] in ["auto", "true", "false"]
  messageExpression: >-
    "cannot inject Pannier: annotation pannier.dev/native is " + (variables.annotations['pannier.dev/native'].matches("://[^\\s/]*@") ? 'invalid (its value may hold a password)' : "'" + (variables.annotations['pannier.dev/native'].size() > 80 ? variables.annotations['pannier.dev/native'].substring(0, 80) + '...' : variables.annotations['pannier.dev/native']).replace('\n', ' ').replace('\r', ' ') + "'") + "; set it to one of auto, true, false"
- expression: >-
    variables.isSilent || !('pannier.dev/after' in variables.annotations) || variables.annotations['pannier.dev/after'].matches("^[^!-~]*[a-z0-9]([-a-z0-9]*[a-z0-9])?[^!-~]*(,[^!-~]*[a-z0-9]([-a-z0-9]*[a-z0-9])?[^!-~]*)*$")
  messageExpression: >-
    "cannot inject Pannier: annotation pannier.dev/after is " + (variables.annotations['pannier.dev/after'].matches("://[^\\s/]*@") ? 'invalid (its value may hold a password)' : "'" + (variables.annotations['pannier.dev/after'].size() > 80 ? variables.annotations['pannier.dev/after'].substring(0, 80) + '...' : variables.annotations['pannier.dev/after']).replace('\n', ' ').replace('\r', ' ') + "'") + "; set it to 1 to 16 different names of containers (lower-case letters, digits and -), separated by commas"
- expression: >-
    variables.isSilent || !('pannier.dev/grpc-transport' in variables.annotations) || variables.annotations['pannier.dev/grpc-transport'] in ["http2", "grpc-js"]
  messageExpression: >-
    "cannot inject Pannier: annotation pannier.dev/grpc-transport is " + (variables.annotations['pannier.dev/grpc-transport'].matches("://[^\\s/]*@") ? 'invalid (its value may hold a password)' : "'" + (variables.annotations['pannier.dev/grpc-transport'].size() > 80 ? variables.annotations['pannier.dev/grpc-transport'].substring(0, 80) + '...' : variables.annotations['pannier.dev/grpc-transport']).replace('\n', ' ').replace('\r', ' ') + "'") + "; set it to one of http2, grpc-js"
- expression: >-
    variables.isSilent || !('pannier.dev/env' in variables.annotations) || variables.annotations['pannier.dev/env'].matches("(PANNIER_|\\\\)([^=]*|[^:]*#[\\s\\S]*):|\\{[^:]*\\}")
  messageExpression: >-
    "cannot inject Pannier: annotation pannier.dev/env is " + (variables.annotations['pannier.dev/env'].matches("://[^\\s/]*@") ? 'invalid (its value may hold a password)' : "'" + (variables.annotations['pannier.dev/env'].size() > 80 ? variables.annotations['pannier.dev/env'].substring(0, 80) + '...' : variables.annotations['pannier.dev/env']).replace('\n', ' ').replace('\r', ' ') + "'") + "; set it to a mapping of PANNIER_* settings in YAML or JSON, such as {\"PANNIER_NEAR_CACHE_MAX_ENTRIES\": \"1000\"}"
{{- end -}}

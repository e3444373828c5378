{{/* Sidecar of injection mode mutating-policy. It equals the sidecar that the injector builds from the same values (src/injection). A test compares the two sidecars. */}}

{{/* Escapes a value of an environment variable, because the kubelet expands $(NAME) and replaces $$ with $. */}}
{{- define "pannier.unexpanded" -}}
{{- if regexMatch "\\$[($]" . -}}{{- replace "$" "$$" . -}}{{- else -}}{{- . -}}{{- end -}}
{{- end -}}

{{- define "pannier.sidecarContainer" -}}
name: pannier
image: {{ include "pannier.sidecarImage" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
restartPolicy: Always
args: [serve]
env:
  - name: PANNIER_SCOPE
    valueFrom:
      fieldRef:
        apiVersion: v1
        fieldPath: metadata.namespace
  - name: PANNIER_GRPC_ADDRESS
    value: 127.0.0.1:9470
  - name: PANNIER_ADMIN_ADDRESS
    value: ":9471"
  - name: PANNIER_LOG_LEVEL
    value: {{ .Values.sidecar.logLevel | quote }}
  - name: NODE_OPTIONS
    {{- with (dig "limits" dict .Values.sidecar.resources | default dict).memory }}
    value: "--max-semi-space-size=4 --max-old-space-size={{ div (include "pannier.memoryBytes" . | int64) 2097152 }}"
    {{- else }}
    value: "--max-semi-space-size=4"
    {{- end }}
  {{- if .Values.sidecar.socket }}
  - name: PANNIER_GRPC_SOCKET
    value: /run/pannier/pannier.sock
  - name: PANNIER_GRPC_SOCKET_MODE
    value: "0666"
  {{- end }}
  {{- if .Values.policiesConfigMap }}
  - name: PANNIER_POLICY_FILE
    value: /etc/pannier/policies/policies.yaml
  - name: PANNIER_POLICY_FILE_OPTIONAL
    value: "true"
  {{- end }}
  {{- $urls := include "pannier.redisUrls" . | fromJsonArray }}
  {{- $secret := .Values.redis.secretName }}
  {{- $tlsSecret := .Values.redis.tlsSecretName }}
  {{- if $urls }}
  - name: PANNIER_REDIS_URL
    value: {{ include "pannier.unexpanded" (join "," $urls) | quote }}
  {{- else if $secret }}
  - name: PANNIER_REDIS_URL
    valueFrom:
      secretKeyRef:
        name: {{ $secret }}
        key: url
  {{- end }}
  {{- if $secret }}
  - name: PANNIER_REDIS_USERNAME
    valueFrom:
      secretKeyRef:
        name: {{ $secret }}
        key: username
        optional: true
  - name: PANNIER_REDIS_PASSWORD_FILE
    value: /etc/pannier/redis/password
  - name: PANNIER_REDIS_SENTINEL_USERNAME
    valueFrom:
      secretKeyRef:
        name: {{ $secret }}
        key: sentinel-username
        optional: true
  - name: PANNIER_REDIS_SENTINEL_PASSWORD_FILE
    value: /etc/pannier/redis/sentinel-password
  - name: PANNIER_SUBJECT_KEY_FILE
    value: /etc/pannier/redis/subject-key
  {{- end }}
  {{- if or $secret $tlsSecret }}
  {{- $directory := ternary "/etc/pannier/redis-tls" "/etc/pannier/redis" (not (empty $tlsSecret)) }}
  - name: PANNIER_REDIS_TLS_CA_FILE
    value: {{ $directory }}/ca.crt
  - name: PANNIER_REDIS_TLS_CERT_FILE
    value: {{ $directory }}/tls.crt
  - name: PANNIER_REDIS_TLS_KEY_FILE
    value: {{ $directory }}/tls.key
  - name: PANNIER_REDIS_FILES_OPTIONAL
    value: "true"
  {{- end }}
  {{- range $name, $value := .Values.sidecar.env }}
  - name: {{ $name }}
    value: {{ include "pannier.unexpanded" (include "pannier.tagText" $value) | quote }}
  {{- end }}
ports:
  - name: pannier-admin
    containerPort: 9471
    protocol: TCP
startupProbe:
  httpGet: { path: /readyz, port: 9471 }
  periodSeconds: 1
  failureThreshold: 30
readinessProbe:
  httpGet: { path: /readyz, port: 9471 }
  periodSeconds: 5
  failureThreshold: 2
livenessProbe:
  httpGet: { path: /livez, port: 9471 }
  periodSeconds: 10
  timeoutSeconds: 3
  failureThreshold: 3
resources:
  {{- range $list := tuple "requests" "limits" }}
  {{ $list }}:
    {{- range $name, $value := (get $.Values.sidecar.resources $list | default dict) }}
    {{ $name }}: {{ include "pannier.tagText" $value | quote }}
    {{- else }} {}
    {{- end }}
  {{- end }}
securityContext: {{- include "pannier.sidecarSecurityContext" . | nindent 2 }}
volumeMounts:
  {{- if .Values.sidecar.socket }}
  - name: pannier-socket
    mountPath: /run/pannier
  {{- end }}
  {{- if .Values.policiesConfigMap }}
  - name: pannier-policies
    mountPath: /etc/pannier/policies
    readOnly: true
  {{- end }}
  {{- if $secret }}
  - name: pannier-redis
    mountPath: /etc/pannier/redis
    readOnly: true
  {{- end }}
  {{- if $tlsSecret }}
  - name: pannier-redis-tls
    mountPath: /etc/pannier/redis-tls
    readOnly: true
  {{- end }}
  # The API server mounts no token into a container that mounts a volume at this path.
  - name: pannier-no-token
    mountPath: /var/run/secrets/kubernetes.io/serviceaccount
    readOnly: true
{{- end -}}

{{- define "pannier.sidecarVolumes" -}}
{{- if .Values.sidecar.socket }}
- name: pannier-socket
  emptyDir:
    medium: Memory
    sizeLimit: 1Mi
{{- end }}
{{- with .Values.policiesConfigMap }}
- name: pannier-policies
  configMap:
    name: {{ . }}
    optional: true
{{- end }}
{{- with .Values.redis.secretName }}
- name: pannier-redis
  secret:
    secretName: {{ . }}
{{- end }}
{{- with .Values.redis.tlsSecretName }}
- name: pannier-redis-tls
  secret:
    secretName: {{ . }}
{{- end }}
- name: pannier-no-token
  projected: {}
{{- end -}}

{{/* Environment variables with the addresses of the sidecar, in the order in which containers get them. */}}
{{- define "pannier.endpoints" -}}
- [PANNIER_ADDRESS, "127.0.0.1:9470"]
{{- if .Values.sidecar.socket }}
- [PANNIER_SOCKET, "unix:/run/pannier/pannier.sock"]
{{- end }}
{{- end -}}

{{/*
Variants of the sidecar, because CEL cannot compute the hash of a container. Each variant leaves out the resources that a pod sets in spec.resources.
`omit` lists these resources, and `condition` is true for the pods of the variant.
*/}}
{{- define "pannier.sidecarVariants" -}}
- { omit: [cpu, memory], condition: "variables.hasPodCpu && variables.hasPodMemory ?" }
- { omit: [cpu], condition: ": variables.hasPodCpu ?" }
- { omit: [memory], condition: ": variables.hasPodMemory ?" }
- { omit: [], condition: ":" }
{{- end -}}

{{/* Container of one variant; usage: include "pannier.sidecarVariant" (dict "root" $ "omit" (list "cpu")). */}}
{{- define "pannier.sidecarVariant" -}}
{{- $container := include "pannier.sidecarContainer" .root | fromYaml -}}
{{- range $name := .omit -}}
{{- $_ := unset $container.resources.requests $name -}}
{{- $_ := unset $container.resources.limits $name -}}
{{- end -}}
{{- toYaml $container -}}
{{- end -}}

{{/* Variables of the mutating policy that select the variant for the pod. */}}
{{- define "pannier.sidecarVariables" -}}
{{- range $variable, $name := dict "hasPodCpu" "cpu" "hasPodMemory" "memory" }}
- name: {{ $variable }}
  expression: >-
    has(object.spec.resources) && (has(object.spec.resources.requests) && "{{ $name }}" in object.spec.resources.requests ||
    has(object.spec.resources.limits) && "{{ $name }}" in object.spec.resources.limits)
{{- end }}
{{- range $variable, $list := dict "sidecarRequests" "requests" "sidecarLimits" "limits" }}
- name: {{ $variable }}
  expression: >-
    {{- range include "pannier.sidecarVariants" $ | fromYamlArray }}
    {{- $container := include "pannier.sidecarVariant" (dict "root" $ "omit" .omit) | fromYaml }}
    {{ .condition }} {{ get $container.resources $list | toRawJson }}
    {{- end }}
{{- end }}
- name: sidecarHash
  expression: >-
    {{- range include "pannier.sidecarVariants" . | fromYamlArray }}
    {{ .condition }} {{ include "pannier.sidecarHash" (dict "root" $ "omit" .omit) | quote }}
    {{- end }}
{{- end -}}

{{/* CEL literal of the container, with the resources of the variant. */}}
{{- define "pannier.sidecarLiteral" -}}
{{- $container := set (include "pannier.sidecarContainer" . | fromYaml) "resources" "VARIANT" -}}
{{- $literal := include "pannier.cel" (dict "value" $container "type" "Object.spec.initContainers") -}}
{{- $lists := "limits: variables.sidecarLimits, requests: variables.sidecarRequests" -}}
{{- replace "resources: \"VARIANT\"" (printf "resources: Object.spec.initContainers.resources{%s}" $lists) $literal -}}
{{- end -}}

{{/* Hashes of all variants, as a CEL list. */}}
{{- define "pannier.sidecarHashes" -}}
{{- $hashes := list -}}
{{- range include "pannier.sidecarVariants" . | fromYamlArray -}}
{{- $hashes = append $hashes (include "pannier.sidecarHash" (dict "root" $ "omit" .omit)) -}}
{{- end -}}
{{- printf "['%s']" (join "', '" $hashes) -}}
{{- end -}}

{{/*
Hash of one variant of the sidecar. It equals the hash that the injector computes for the same sidecar. Usage: include "pannier.sidecarHash"
(dict "root" $ "omit" (list "cpu")).
*/}}
{{- define "pannier.sidecarHash" -}}
{{- $container := include "pannier.sidecarVariant" . | fromYaml -}}
{{- $volumes := include "pannier.sidecarVolumes" .root | fromYamlArray -}}
{{- $endpoints := include "pannier.endpoints" .root | fromYamlArray -}}
{{- $pullSecrets := include "pannier.sidecarPullSecrets" .root | fromJsonArray -}}
{{- dict "container" $container "volumes" $volumes "endpoints" $endpoints "imagePullSecrets" $pullSecrets "after" (.root.Values.sidecar.after | default list) | toRawJson | sha256sum | trunc 16 -}}
{{- end -}}

{{/* Converts YAML to a CEL literal; usage: include "pannier.cel" (dict "value" V "type" "Object.spec.initContainers"). */}}
{{- define "pannier.cel" -}}
{{- $type := .type -}}
{{- if kindIs "map" .value -}}
{{- $fields := list -}}
{{- range $key, $value := .value -}}
{{- $fields = append $fields (printf "%s: %s" $key (include "pannier.cel" (dict "value" $value "type" (printf "%s.%s" $type $key)))) -}}
{{- end -}}
{{- printf "%s{%s}" $type (join ", " $fields) -}}
{{- else if kindIs "slice" .value -}}
{{- $items := list -}}
{{- range .value -}}
{{- $items = append $items (include "pannier.cel" (dict "value" . "type" $type)) -}}
{{- end -}}
{{- printf "[%s]" (join ", " $items) -}}
{{- else if kindIs "string" .value -}}
{{- toRawJson .value -}}
{{- else if kindIs "bool" .value -}}
{{- .value -}}
{{- else -}}
{{- int64 .value -}}
{{- end -}}
{{- end -}}

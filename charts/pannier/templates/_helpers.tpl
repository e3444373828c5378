{{/* Names, labels and what more than one template needs. */}}

{{- define "pannier.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "pannier.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 45 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 45 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 45 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "pannier.injectorName" -}}
{{- printf "%s-injector" (include "pannier.fullname" .) -}}
{{- end -}}

{{/* The objects of the admission policies. */}}
{{- define "pannier.injectedName" -}}
{{- printf "%s-injected" (include "pannier.fullname" .) -}}
{{- end -}}

{{- define "pannier.devRedisName" -}}
{{- printf "%s-dev-redis" (include "pannier.fullname" .) -}}
{{- end -}}

{{- define "pannier.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "pannier.injectorName" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* Labels of an object: include "pannier.labels" (dict "root" $ "component" "injector"). */}}
{{- define "pannier.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "pannier.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: pannier
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Never change: a Deployment's selector is for life. */}}
{{- define "pannier.selectorLabels" -}}
app.kubernetes.io/name: {{ include "pannier.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* A tag as text: YAML reads 20261125 as a number, and numbers above a million would print as 2.0261125e+07. */}}
{{- define "pannier.tagText" -}}
{{- if and (kindIs "float64" .) (eq (float64 (int64 .)) .) -}}
{{- int64 . -}}
{{- else -}}
{{- . -}}
{{- end -}}
{{- end -}}

{{- define "pannier.imageText" -}}
{{- if .digest -}}
{{- printf "%s@%s" .repository .digest -}}
{{- else -}}
{{- printf "%s:%s" .repository (include "pannier.tagText" .tag) -}}
{{- end -}}
{{- end -}}

{{- define "pannier.image" -}}
{{- $tag := .Values.image.tag -}}
{{- if or (kindIs "invalid" $tag) (eq (toString $tag) "") -}}{{- $tag = .Chart.AppVersion -}}{{- end -}}
{{- include "pannier.imageText" (dict "repository" .Values.image.repository "tag" $tag "digest" .Values.image.digest) -}}
{{- end -}}

{{/* The sidecar's image: the injector's, but for what sidecar.image says. Another repository or tag drops the injector's digest. */}}
{{- define "pannier.sidecarImage" -}}
{{- $own := .Values.sidecar.image -}}
{{- $tag := .Values.image.tag -}}
{{- if or (kindIs "invalid" $tag) (eq (toString $tag) "") -}}{{- $tag = .Chart.AppVersion -}}{{- end -}}
{{- if ne (toString $own.tag) "" -}}{{- $tag = $own.tag -}}{{- end -}}
{{- $digest := $own.digest -}}
{{- if and (not $digest) (not $own.repository) (eq (toString $own.tag) "") -}}{{- $digest = .Values.image.digest -}}{{- end -}}
{{- include "pannier.imageText" (dict "repository" (default .Values.image.repository $own.repository) "tag" $tag "digest" $digest) -}}
{{- end -}}

{{/* Seeds of Redis as a JSON list: redis.url, else the dev Redis, else none. */}}
{{- define "pannier.redisUrls" -}}
{{- $urls := list -}}
{{- if and (kindIs "slice" .Values.redis.url) .Values.redis.url -}}
{{- $urls = .Values.redis.url -}}
{{- else if and (kindIs "string" .Values.redis.url) (regexMatch "^\\s*rediss?[+]sentinel://" .Values.redis.url) -}}
{{- $urls = list (trim .Values.redis.url) -}}
{{- else if and (kindIs "string" .Values.redis.url) .Values.redis.url -}}
{{- range splitList "," .Values.redis.url -}}{{- $urls = append $urls (trim .) -}}{{- end -}}
{{- else if .Values.devRedis.enabled -}}
{{- $urls = list (printf "redis://%s.%s.svc:6379" (include "pannier.devRedisName" .) .Release.Namespace) -}}
{{- end -}}
{{- toJson $urls -}}
{{- end -}}

{{/* What the injector gives to pods (docs/internals/injector.md), as YAML. */}}
{{- define "pannier.injectorConfig" -}}
sidecar:
  image: {{ include "pannier.sidecarImage" . | quote }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  native: {{ .Values.sidecar.native | toString | quote }}
  resources:
    requests: {{- toYaml (dig "requests" dict .Values.sidecar.resources | default dict) | nindent 6 }}
    limits: {{- toYaml (dig "limits" dict .Values.sidecar.resources | default dict) | nindent 6 }}
  logLevel: {{ .Values.sidecar.logLevel }}
  redis:
    urls: {{- include "pannier.redisUrls" . | fromJsonArray | toYaml | nindent 6 }}
    secretName: {{ .Values.redis.secretName | default "" | quote }}
    tlsSecretName: {{ .Values.redis.tlsSecretName | default "" | quote }}
  policiesConfigMap: {{ .Values.policiesConfigMap | default "" | quote }}
  socket: {{ .Values.sidecar.socket }}
  env:
    {{- range $name, $value := .Values.sidecar.env }}
    {{ $name }}: {{ include "pannier.tagText" $value | quote }}
    {{- else }} {}
    {{- end }}
{{- end -}}

{{/* Namespaces that nothing is injected in, as a JSON list. */}}
{{- define "pannier.excludedNamespaces" -}}
{{- concat (list "kube-system" .Release.Namespace) .Values.webhook.excludedNamespaces | uniq | toJson -}}
{{- end -}}

{{- define "pannier.notExcluded" -}}
- key: kubernetes.io/metadata.name
  operator: NotIn
  values: {{- include "pannier.excludedNamespaces" . | fromJsonArray | toYaml | nindent 4 }}
{{- end -}}

{{/* A memory quantity in bytes (1Mi, 1.5Gi, 200M, 1048576): "" becomes 0. */}}
{{- define "pannier.memoryBytes" -}}
{{- $text := include "pannier.tagText" (default "0" .) -}}
{{- $number := regexFind "^[0-9.]+" $text | float64 -}}
{{- $unit := regexReplaceAll "^[0-9.]+" $text "" -}}
{{- $factors := dict "" 1 "k" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- if not (hasKey $factors $unit) -}}
{{- fail (printf "cannot bound the heap: a memory limit is %q, wanted a number with one of Ki, Mi, Gi, Ti, k, M, G, T" $text) -}}
{{- end -}}
{{- mulf $number (get $factors $unit) | int64 -}}
{{- end -}}

{{/* A CPU quantity in thousandths of a core (250m, 0.5, 2): "" becomes 0. */}}
{{- define "pannier.cpuMillis" -}}
{{- $text := include "pannier.tagText" (default "0" .) -}}
{{- if hasSuffix "m" $text -}}
{{- trimSuffix "m" $text | float64 | int64 -}}
{{- else -}}
{{- mulf (float64 $text) 1000 | int64 -}}
{{- end -}}
{{- end -}}

{{/* Pod Security "restricted" for a container. */}}
{{- define "pannier.restrictedContainer" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* The Secret that the served certificate is mounted from. */}}
{{- define "pannier.certificateSecret" -}}
{{- if eq .Values.certificates.mode "files" -}}
{{- .Values.certificates.files.secretName -}}
{{- else -}}
{{- printf "%s-tls" (include "pannier.injectorName" .) -}}
{{- end -}}
{{- end -}}

{{/* What the webhooks have in common. */}}
{{- define "pannier.webhookCommon" -}}
clientConfig:
  service:
    name: {{ include "pannier.injectorName" .root }}
    namespace: {{ .root.Release.Namespace }}
    path: {{ .path }}
    port: 443
  {{- if eq .root.Values.certificates.mode "files" }}
  caBundle: {{ .root.Values.certificates.files.caBundle | b64enc }}
  {{- end }}
admissionReviewVersions: [v1]
sideEffects: None
failurePolicy: {{ .root.Values.webhook.failurePolicy }}
matchPolicy: Equivalent
timeoutSeconds: {{ .root.Values.webhook.timeoutSeconds | int64 }}
reinvocationPolicy: {{ .root.Values.webhook.reinvocationPolicy }}
{{- end -}}

{{/* The kubelet's own copies of static pods cannot be changed. */}}
{{- define "pannier.noMirrorPod" -}}
!has(object.metadata.annotations) || !('kubernetes.io/config.mirror' in object.metadata.annotations)
{{- end -}}

{{/* Annotations that a pod may bear with injection mode mutating-policy: what asks, and what an injected pod bears. */}}
{{- define "pannier.mutatingAnnotations" -}}
- pannier.dev/inject
- pannier.dev/injected
- pannier.dev/version
- pannier.dev/config-hash
- pannier.dev/kept
{{- end -}}

{{- define "pannier.testNamespace" -}}
{{- default (printf "%s-test" .Release.Namespace | trunc 63 | trimSuffix "-") .Values.tests.namespace -}}
{{- end -}}

{{- define "pannier.testContainer" -}}
image: {{ include "pannier.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext: {{- include "pannier.restrictedContainer" . | nindent 2 }}
resources: {{- toYaml .Values.sidecar.resources | nindent 2 }}
{{- end -}}

{{/* Variables of the admission policies: what a pod and its namespace say, and whether the pod asks for a sidecar. */}}
{{- define "pannier.asksVariables" -}}
- name: annotations
  expression: "has(object.metadata.annotations) ? object.metadata.annotations : {}"
# "" where the pod, or its namespace, says nothing. An annotation without a value is no saying, and a mistake.
- name: podSays
  expression: >-
    !('pannier.dev/inject' in variables.annotations) ? '' :
    variables.annotations['pannier.dev/inject'] == '' ? '(empty)' : variables.annotations['pannier.dev/inject']
- name: namespaceLabel
  expression: >-
    has(namespaceObject.metadata.labels) && 'pannier.dev/inject' in namespaceObject.metadata.labels
    ? namespaceObject.metadata.labels['pannier.dev/inject'] : ''
- name: namespaceAnnotation
  expression: >-
    has(namespaceObject.metadata.annotations) && 'pannier.dev/inject' in namespaceObject.metadata.annotations
    ? namespaceObject.metadata.annotations['pannier.dev/inject'] : ''
- name: namespaceSays
  expression: "variables.namespaceAnnotation != '' ? variables.namespaceAnnotation : variables.namespaceLabel"
- name: asks
  expression: "variables.podSays != '' ? variables.podSays == 'true' : variables.namespaceSays == 'true'"
# Annotations for the injector on a pod that does not ask, as a misspelt pannier.dev/inject would be.
- name: strays
  expression: "variables.annotations.filter(key, key.startsWith('pannier.dev/'))"
{{- end -}}

{{/* MutatingAdmissionPolicy is stable from 1.36 on. */}}
{{- define "pannier.mutatingApiVersion" -}}
admissionregistration.k8s.io/{{ semverCompare ">=1.36.0-0" .Capabilities.KubeVersion.Version | ternary "v1" "v1beta1" }}
{{- end -}}

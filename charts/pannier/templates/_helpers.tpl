{{/* Names, labels and definitions that several templates share. */}}

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

{{/*
The names of cluster-scoped objects do not depend on the release. Helm therefore refuses a second release, because these objects belong to the first
one. Helm checks this before it creates any object.
*/}}

{{/* Name of the injector's MutatingWebhookConfiguration, ClusterRole and ClusterRoleBinding. */}}
{{- define "pannier.clusterInjectorName" -}}
pannier-injector
{{- end -}}

{{/* Name of the admission policies and their bindings. */}}
{{- define "pannier.injectedName" -}}
pannier-injected
{{- end -}}

{{/* Name of the ClusterRole that leads `pannier injection status` to the injector's configuration. The command knows this name. */}}
{{- define "pannier.statusName" -}}
pannier-injection-status
{{- end -}}

{{- define "pannier.injectorConfigName" -}}
{{- printf "%s-config" (include "pannier.injectorName" .) -}}
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

{{/* Labels of an object; usage: include "pannier.labels" (dict "root" $ "component" "injector"). */}}
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

{{/* Labels of selectors. They must never change, because the selector of a Deployment is immutable. */}}
{{- define "pannier.selectorLabels" -}}
app.kubernetes.io/name: {{ include "pannier.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* Converts a tag to text: YAML parses 20261125 as a number, which Helm would print as 2.0261125e+07. */}}
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

{{/* Image of the sidecar: the image of the injector, overridden by sidecar.image. The digest of the injector's image applies only if sidecar.image sets no repository and no tag. */}}
{{- define "pannier.sidecarImage" -}}
{{- $own := .Values.sidecar.image -}}
{{- $tag := .Values.image.tag -}}
{{- if or (kindIs "invalid" $tag) (eq (toString $tag) "") -}}{{- $tag = .Chart.AppVersion -}}{{- end -}}
{{- if ne (toString $own.tag) "" -}}{{- $tag = $own.tag -}}{{- end -}}
{{- $digest := $own.digest -}}
{{- if and (not $digest) (not $own.repository) (eq (toString $own.tag) "") -}}{{- $digest = .Values.image.digest -}}{{- end -}}
{{- include "pannier.imageText" (dict "repository" (default .Values.image.repository $own.repository) "tag" $tag "digest" $digest) -}}
{{- end -}}

{{/* Redis URLs as a JSON list: redis.url, otherwise the URL of devRedis, otherwise none. */}}
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

{{/* Configuration file of the injector (docs/internals/injector.md), which describes the sidecar. */}}
{{- define "pannier.injectorConfig" -}}
sidecar:
  image: {{ include "pannier.sidecarImage" . | quote }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  imagePullSecrets: {{ include "pannier.sidecarPullSecrets" . }}
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
  securityContext: {{- include "pannier.sidecarSecurityConfig" . | nindent 4 }}
  after: {{ .Values.sidecar.after | default list | toJson }}
  env:
    {{- range $name, $value := .Values.sidecar.env }}
    {{ $name }}: {{ include "pannier.tagText" $value | quote }}
    {{- else }} {}
    {{- end }}
{{- end -}}

{{/* Namespaces that are excluded from injection, as a JSON list. */}}
{{- define "pannier.excludedNamespaces" -}}
{{- concat (list "kube-system" .Release.Namespace) .Values.webhook.excludedNamespaces | uniq | toJson -}}
{{- end -}}

{{- define "pannier.notExcluded" -}}
- key: kubernetes.io/metadata.name
  operator: NotIn
  values: {{- include "pannier.excludedNamespaces" . | fromJsonArray | toYaml | nindent 4 }}
{{- end -}}

{{/* Converts a memory quantity (1Mi, 1.5Gi, 200M, 1048576) to bytes. An empty quantity becomes 0. */}}
{{- define "pannier.memoryBytes" -}}
{{- $text := include "pannier.tagText" (default "0" .) -}}
{{- $number := regexFind "^[0-9.]+" $text | float64 -}}
{{- $unit := regexReplaceAll "^[0-9.]+" $text "" -}}
{{- $factors := dict "" 1 "k" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- if not (hasKey $factors $unit) -}}
{{- fail (printf "a memory quantity must be a number with an optional unit Ki, Mi, Gi, Ti, k, M, G or T, got %q" $text) -}}
{{- end -}}
{{- mulf $number (get $factors $unit) | int64 -}}
{{- end -}}

{{/* Converts a CPU quantity (250m, 0.5, 2) to millicores. An empty quantity becomes 0. */}}
{{- define "pannier.cpuMillis" -}}
{{- $text := include "pannier.tagText" (default "0" .) -}}
{{- if hasSuffix "m" $text -}}
{{- trimSuffix "m" $text | float64 | int64 -}}
{{- else -}}
{{- mulf (float64 $text) 1000 | int64 -}}
{{- end -}}
{{- end -}}

{{/* Security context of a container, as Pod Security "restricted" requires. */}}
{{- define "pannier.restrictedContainer" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Name of the Secret with the served certificate, which is mounted into the injector. */}}
{{- define "pannier.certificateSecret" -}}
{{- if eq .Values.certificates.mode "files" -}}
{{- .Values.certificates.files.secretName -}}
{{- else -}}
{{- printf "%s-tls" (include "pannier.injectorName" .) -}}
{{- end -}}
{{- end -}}

{{/* Fields that all webhooks share. */}}
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

{{/* CEL condition that excludes mirror pods, the read-only copies of static pods. */}}
{{- define "pannier.noMirrorPod" -}}
!has(object.metadata.annotations) || !('kubernetes.io/config.mirror' in object.metadata.annotations)
{{- end -}}

{{/* Annotations that a pod may have with injection mode mutating-policy: the one that requests injection, and those of injected pods. */}}
{{- define "pannier.mutatingAnnotations" -}}
- pannier.dev/inject
- pannier.dev/injected
- pannier.dev/version
- pannier.dev/config-hash
- pannier.dev/kept
- pannier.dev/added
{{- end -}}

{{/* Namespace of `helm test`. Helm deletes a namespace that it creates for a test, so the name must never be that of the release's own namespace. */}}
{{- define "pannier.testNamespace" -}}
{{- $name := printf "%s-test" .Release.Namespace -}}
{{- if gt (len $name) 63 -}}
{{- $name = printf "%s-%s-test" (trunc 49 .Release.Namespace) (sha256sum .Release.Namespace | trunc 8) -}}
{{- end -}}
{{- default $name .Values.tests.namespace -}}
{{- end -}}

{{- define "pannier.testContainer" -}}
image: {{ include "pannier.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext: {{- include "pannier.restrictedContainer" . | nindent 2 }}
resources: {{- toYaml .Values.sidecar.resources | nindent 2 }}
{{- end -}}

{{/* Variables of the admission policies: the annotation of the pod, the label and the annotation of the namespace, and whether the pod requests injection. */}}
{{- define "pannier.requestVariables" -}}
- name: annotations
  expression: "has(object.metadata.annotations) ? object.metadata.annotations : {}"
{{ include "pannier.requestRules" . }}
{{- end -}}

{{/* Variables that are derived from the variable `annotations`, the annotations of a pod or of a pod template. */}}
{{- define "pannier.requestRules" -}}
# Value of the annotation pannier.dev/inject of the pod, or '' if the pod does not have this annotation. The expression replaces an empty value with
# '(empty)', because an empty value is invalid.
- name: podRequest
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
- name: namespaceRequest
  expression: "variables.namespaceAnnotation != '' ? variables.namespaceAnnotation : variables.namespaceLabel"
- name: requestsInjection
  expression: "variables.podRequest != '' ? variables.podRequest == 'true' : variables.namespaceRequest == 'true'"
# All Pannier annotations of the pod. On a pod that does not request injection, one of them may be a misspelt pannier.dev/inject.
- name: pannierAnnotations
  expression: "variables.annotations.filter(key, key.startsWith('pannier.dev/'))"
{{- end -}}

{{/* API version of MutatingAdmissionPolicy, which is stable since Kubernetes 1.36. */}}
{{- define "pannier.mutatingApiVersion" -}}
admissionregistration.k8s.io/{{ semverCompare ">=1.36.0-0" .Capabilities.KubeVersion.Version | ternary "v1" "v1beta1" }}
{{- end -}}

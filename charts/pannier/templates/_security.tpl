{{/* Security contexts of all pods of the chart, and of the sidecar. With openshift.enabled, no context sets runAsUser, runAsGroup or fsGroup, because the platform assigns them. */}}

{{/* Fields of sidecar.securityContext without null values, as YAML. */}}
{{- define "pannier.sidecarSecurityFields" -}}
{{- $fields := dict -}}
{{- range $name, $value := .Values.sidecar.securityContext -}}
{{- $isAssigned := and $.Values.openshift.enabled (has $name (list "runAsUser" "runAsGroup")) -}}
{{- if not (or $isAssigned (kindIs "invalid" $value)) -}}{{- $_ := set $fields $name $value -}}{{- end -}}
{{- end -}}
{{- toYaml $fields -}}
{{- end -}}

{{/* Key sidecar.securityContext of the injector's configuration. In that file a missing id selects the default, and null omits the id. */}}
{{- define "pannier.sidecarSecurityConfig" -}}
{{- $fields := include "pannier.sidecarSecurityFields" . | fromYaml -}}
{{- range $name := list "runAsUser" "runAsGroup" -}}
{{- if not (hasKey $fields $name) -}}{{- $_ := set $fields $name nil -}}{{- end -}}
{{- end -}}
{{- toYaml $fields -}}
{{- end -}}

{{/* Fields that every sidecar has, and that sidecar.securityContext cannot set. */}}
{{- define "pannier.fixedSecurityContext" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
privileged: false
readOnlyRootFilesystem: true
runAsNonRoot: true
{{- end -}}

{{/* Security context of the sidecar. It equals the one that the injector builds (src/injection/security-context.ts). */}}
{{- define "pannier.sidecarSecurityContext" -}}
{{- $fixed := include "pannier.fixedSecurityContext" . | fromYaml -}}
{{- $fields := include "pannier.sidecarSecurityFields" . | fromYaml -}}
{{- merge $fixed $fields (dict "seccompProfile" (dict "type" "RuntimeDefault")) | toYaml -}}
{{- end -}}

{{/* Removes the ids that OpenShift assigns; usage: include "pannier.withoutIds" (dict "root" $ "context" C). */}}
{{- define "pannier.withoutIds" -}}
{{- $context := default dict .context -}}
{{- if .root.Values.openshift.enabled -}}
{{- $context = omit $context "runAsUser" "runAsGroup" "fsGroup" -}}
{{- end -}}
{{- toYaml $context -}}
{{- end -}}

{{/* Security context of a pod that runs as one user and group, as Pod Security "restricted" requires; usage: include "pannier.podSecurity" (dict "root" $ "id" 999 "hasVolumes" true). */}}
{{- define "pannier.podSecurity" -}}
{{- $context := dict "runAsNonRoot" true "runAsUser" .id "runAsGroup" .id "seccompProfile" (dict "type" "RuntimeDefault") -}}
{{- if .hasVolumes -}}{{- $_ := set $context "fsGroup" .id -}}{{- end -}}
{{- include "pannier.withoutIds" (dict "root" .root "context" $context) -}}
{{- end -}}

{{/* Mode of the certificate files in decimal: 0440 if the group of the volume is that of the injector, otherwise 0444. Only the injector mounts the volume. */}}
{{- define "pannier.certificateFileMode" -}}
{{- $context := include "pannier.withoutIds" (dict "root" . "context" .Values.injector.podSecurityContext) | fromYaml -}}
{{- ternary 288 292 (hasKey $context "fsGroup") -}}
{{- end -}}

{{/* Rejects values of sidecar.securityContext that contradict Pod Security "restricted". */}}
{{- define "pannier.validateSecurity" -}}
{{- $fixed := include "pannier.fixedSecurityContext" . | fromYaml -}}
{{- range $name, $value := .Values.sidecar.securityContext -}}
{{- if hasKey $fixed $name -}}
{{- fail (printf "sidecar.securityContext.%s must be unset, because every sidecar has %s %s, got %s" $name $name (get $fixed $name | toJson) (toJson $value)) -}}
{{- end -}}
{{- end -}}
{{- range $name := list "seccompProfile" "appArmorProfile" -}}
{{- with get (default dict $.Values.sidecar.securityContext) $name -}}
{{- if and (eq .type "Localhost") (not .localhostProfile) -}}
{{- fail (printf "sidecar.securityContext.%s.localhostProfile must be a path when type is Localhost, got nothing" $name) -}}
{{- end -}}
{{- if and (ne .type "Localhost") .localhostProfile -}}
{{- fail (printf "sidecar.securityContext.%s.localhostProfile must be unset unless type is Localhost, got %q" $name .localhostProfile) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

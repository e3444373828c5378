{{/* Parts of the mutating and validating policies that depend on the rest of the pod: pull secrets. The functions of the same purpose in src/injection make the same decisions. */}}

{{/* Names of the pull secrets of the sidecar, as a JSON list. */}}
{{- define "pannier.sidecarPullSecrets" -}}
{{- $names := list -}}
{{- range .Values.sidecar.imagePullSecrets -}}{{- $names = append $names .name -}}{{- end -}}
{{- toJson $names -}}
{{- end -}}

{{/* Rejects combinations of values that are valid one by one but contradict each other. */}}
{{- define "pannier.validate" -}}
{{- if and (eq .Values.certificates.mode "files") (not .Values.certificates.files.secretName) -}}
{{- fail "certificates.files.secretName must name a Secret with tls.crt and tls.key when certificates.mode is files, got an empty string" -}}
{{- end -}}
{{- if and (eq .Values.certificates.mode "files") (not .Values.certificates.files.caBundle) -}}
{{- fail "certificates.files.caBundle must contain the PEM certificates of the CA when certificates.mode is files, got an empty string" -}}
{{- end -}}
{{- if gt (int64 .Values.certificates.self.servingCertificateLifetimeMs) (int64 .Values.certificates.self.caLifetimeMs) -}}
{{- fail (printf "certificates.self.servingCertificateLifetimeMs must be at most certificates.self.caLifetimeMs (%d), got %d" (int64 .Values.certificates.self.caLifetimeMs) (int64 .Values.certificates.self.servingCertificateLifetimeMs)) -}}
{{- end -}}
{{- if and (eq .Values.injectionMode "mutating-policy") (eq (toString .Values.sidecar.native) "false") -}}
{{- fail "sidecar.native must be auto or true with injection mode mutating-policy, got false" -}}
{{- end -}}
{{- if and (eq .Values.injectionMode "mutating-policy") (semverCompare "<1.34.0-0" .Capabilities.KubeVersion.Version) -}}
{{- fail (printf "cannot render the chart: injection mode mutating-policy requires Kubernetes 1.34 or later, got %s; use injectionMode=webhook, or pass --kube-version to helm template" .Capabilities.KubeVersion.Version) -}}
{{- end -}}
{{- with (dig "limits" dict .Values.sidecar.resources | default dict).memory -}}
{{- if lt (include "pannier.memoryBytes" . | int64) 100663296 -}}
{{- fail (printf "sidecar.resources.limits.memory must be at least 96Mi, got %s (an idle sidecar uses 60 to 90 MB)" (toString .)) -}}
{{- end -}}
{{- end -}}
{{- $requests := dig "requests" dict .Values.sidecar.resources | default dict -}}
{{- $limits := dig "limits" dict .Values.sidecar.resources | default dict -}}
{{- range $name, $list := dict "requests" $requests "limits" $limits -}}
{{- with $list.memory -}}
{{- $bytes := include "pannier.memoryBytes" . | int64 -}}
{{- if or (lt $bytes 1048576) (gt $bytes 68719476736) -}}
{{- fail (printf "sidecar.resources.%s.memory must be between 1Mi and 64Gi, got %v" $name .) -}}
{{- end -}}
{{- end -}}
{{- if hasKey $list "cpu" -}}
{{- $millis := include "pannier.cpuMillis" $list.cpu | int64 -}}
{{- if or (lt $millis 1) (gt $millis 64000) -}}
{{- fail (printf "sidecar.resources.%s.cpu must be between 1m and 64, got %v" $name $list.cpu) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $name, $list := dict "requests" $requests "limits" $limits -}}
{{- if hasKey $list "ephemeral-storage" -}}
{{- $quantity := get $list "ephemeral-storage" -}}
{{- $bytes := include "pannier.memoryBytes" $quantity | int64 -}}
{{- if or (lt $bytes 1048576) (gt $bytes 17592186044416) -}}
{{- fail (printf "sidecar.resources.%s.ephemeral-storage must be between 1Mi and 16Ti, got %v" $name $quantity) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $storageRequest := get $requests "ephemeral-storage" -}}
{{- $storageLimit := get $limits "ephemeral-storage" -}}
{{- if and $storageRequest $storageLimit (gt (include "pannier.memoryBytes" $storageRequest | int64) (include "pannier.memoryBytes" $storageLimit | int64)) -}}
{{- fail (printf "sidecar.resources.requests.ephemeral-storage must be at most the limit (%v), got %v" $storageLimit $storageRequest) -}}
{{- end -}}
{{- if and $requests.memory $limits.memory (gt (include "pannier.memoryBytes" $requests.memory | int64) (include "pannier.memoryBytes" $limits.memory | int64)) -}}
{{- fail (printf "sidecar.resources.requests.memory must be at most the limit (%v), got %v" $limits.memory $requests.memory) -}}
{{- end -}}
{{- if and $requests.cpu $limits.cpu (gt (include "pannier.cpuMillis" $requests.cpu | int64) (include "pannier.cpuMillis" $limits.cpu | int64)) -}}
{{- fail (printf "sidecar.resources.requests.cpu must be at most the limit (%v), got %v" $limits.cpu $requests.cpu) -}}
{{- end -}}
{{- range $image, $repository := dict "image" .Values.image.repository "sidecar.image" .Values.sidecar.image.repository -}}
{{- if contains ":" (splitList "/" $repository | last) -}}
{{- fail (printf "%s.repository must be a repository without a tag, got %q; set %s.tag instead" $image $repository $image) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.policies (not .Values.policiesConfigMap) -}}
{{- fail "policiesConfigMap must be the name of a ConfigMap when policies is set, got an empty string" -}}
{{- end -}}
{{- $urlCount := len (include "pannier.redisUrls" . | fromJsonArray) -}}
{{- if gt $urlCount 64 -}}
{{- fail (printf "redis.url must list at most 64 servers, got %d (sidecars discover the others)" $urlCount) -}}
{{- end -}}
{{- if and (eq .Values.injectionMode "mutating-policy") (dig "PANNIER_CACHE_REDIS_URL" "" (.Values.sidecar.env | default dict)) (not .Values.redis.secretName) (not (include "pannier.redisUrls" . | fromJsonArray)) -}}
{{- fail "sidecar.env.PANNIER_CACHE_REDIS_URL must be unset when redis.url and redis.secretName are unset, got a URL" -}}
{{- end -}}
{{- $schemes := list -}}
{{- range include "pannier.redisUrls" . | fromJsonArray -}}
{{- $schemes = append $schemes (splitList ":" . | first) -}}
{{- end -}}
{{- if and (gt (len $schemes) 1) (contains "+sentinel" (join " " $schemes)) -}}
{{- fail "redis.url must be one URL that lists all Sentinels (redis+sentinel://HOST:26379,HOST:26379/NAME), got several URLs" -}}
{{- end -}}
{{- if gt (len ($schemes | uniq)) 1 -}}
{{- fail "redis.url must use one scheme, got redis:// and rediss://" -}}
{{- end -}}
{{- end -}}

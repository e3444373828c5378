{{/* Values that are right one by one and wrong together. */}}
{{- define "pannier.validate" -}}
{{- if and (eq .Values.certificates.mode "files") (not .Values.certificates.files.secretName) -}}
{{- fail "cannot render the chart: certificates.files.secretName is empty, wanted the Secret with tls.crt and tls.key (certificates.mode is files)" -}}
{{- end -}}
{{- if and (eq .Values.certificates.mode "files") (not .Values.certificates.files.caBundle) -}}
{{- fail "cannot render the chart: certificates.files.caBundle is empty, wanted the PEM certificates that sign the Secret's (certificates.mode is files)" -}}
{{- end -}}
{{- if gt (int64 .Values.certificates.self.servingCertificateLifetimeMs) (int64 .Values.certificates.self.caLifetimeMs) -}}
{{- fail (printf "cannot render the chart: certificates.self.servingCertificateLifetimeMs is %d, wanted at most caLifetimeMs, %d" (int64 .Values.certificates.self.servingCertificateLifetimeMs) (int64 .Values.certificates.self.caLifetimeMs)) -}}
{{- end -}}
{{- if and (eq .Values.injectionMode "mutating-policy") (eq (toString .Values.sidecar.native) "false") -}}
{{- fail "cannot render the chart: sidecar.native is false, wanted auto or true (injection mode mutating-policy makes native sidecars only)" -}}
{{- end -}}
{{- if and (eq .Values.injectionMode "mutating-policy") (semverCompare "<1.34.0-0" .Capabilities.KubeVersion.Version) -}}
{{- fail (printf "cannot render the chart: Kubernetes is %s, wanted 1.34 or later for injection mode mutating-policy (or injection mode webhook; helm template takes --kube-version)" .Capabilities.KubeVersion.Version) -}}
{{- end -}}
{{- with (dig "limits" dict .Values.sidecar.resources | default dict).memory -}}
{{- if lt (include "pannier.memoryBytes" . | int64) 100663296 -}}
{{- fail (printf "cannot render the chart: sidecar.resources.limits.memory is %s, wanted 96Mi or more (an idle sidecar holds 60 to 90 MB)" (toString .)) -}}
{{- end -}}
{{- end -}}
{{- $requests := dig "requests" dict .Values.sidecar.resources | default dict -}}
{{- $limits := dig "limits" dict .Values.sidecar.resources | default dict -}}
{{- range $name, $list := dict "requests" $requests "limits" $limits -}}
{{- with $list.memory -}}
{{- $bytes := include "pannier.memoryBytes" . | int64 -}}
{{- if or (lt $bytes 1048576) (gt $bytes 68719476736) -}}
{{- fail (printf "cannot render the chart: sidecar.resources.%s.memory is %v, wanted 1Mi to 64Gi" $name .) -}}
{{- end -}}
{{- end -}}
{{- if hasKey $list "cpu" -}}
{{- $millis := include "pannier.cpuMillis" $list.cpu | int64 -}}
{{- if or (lt $millis 1) (gt $millis 64000) -}}
{{- fail (printf "cannot render the chart: sidecar.resources.%s.cpu is %v, wanted 1m to 64" $name $list.cpu) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and $requests.memory $limits.memory (gt (include "pannier.memoryBytes" $requests.memory | int64) (include "pannier.memoryBytes" $limits.memory | int64)) -}}
{{- fail (printf "cannot render the chart: sidecar.resources.requests.memory is %v, wanted at most the limit, %v" $requests.memory $limits.memory) -}}
{{- end -}}
{{- if and $requests.cpu $limits.cpu (gt (include "pannier.cpuMillis" $requests.cpu | int64) (include "pannier.cpuMillis" $limits.cpu | int64)) -}}
{{- fail (printf "cannot render the chart: sidecar.resources.requests.cpu is %v, wanted at most the limit, %v" $requests.cpu $limits.cpu) -}}
{{- end -}}
{{- range tuple .Values.image.repository .Values.sidecar.image.repository -}}
{{- if contains ":" (splitList "/" . | last) -}}
{{- fail (printf "cannot render the chart: an image repository is %q, wanted it without its tag (image.tag)" .) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.policies (not .Values.policiesConfigMap) -}}
{{- fail "cannot render the chart: policiesConfigMap is empty, wanted a name for the ConfigMap of policies" -}}
{{- end -}}
{{- if gt (len (include "pannier.redisUrls" . | fromJsonArray)) 64 -}}
{{- fail "cannot render the chart: redis.url has more than 64 servers, wanted some of them (the others are found)" -}}
{{- end -}}
{{- if and (eq .Values.injectionMode "mutating-policy") (dig "PANNIER_CACHE_REDIS_URL" "" (.Values.sidecar.env | default dict)) (not .Values.redis.secretName) (not (include "pannier.redisUrls" . | fromJsonArray)) -}}
{{- fail "cannot render the chart: sidecar.env.PANNIER_CACHE_REDIS_URL is given and there is no other Redis, wanted redis.url or redis.secretName too" -}}
{{- end -}}
{{- $schemes := list -}}
{{- range include "pannier.redisUrls" . | fromJsonArray -}}
{{- $schemes = append $schemes (splitList ":" . | first) -}}
{{- end -}}
{{- if and (gt (len $schemes) 1) (contains "+sentinel" (join " " $schemes)) -}}
{{- fail "cannot render the chart: redis.url has more than one redis+sentinel:// URL, wanted one that lists all Sentinels (redis+sentinel://HOST:26379,HOST:26379/NAME)" -}}
{{- end -}}
{{- if gt (len ($schemes | uniq)) 1 -}}
{{- fail "cannot render the chart: redis.url mixes redis:// and rediss://, wanted one of them" -}}
{{- end -}}
{{- end -}}

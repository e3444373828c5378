{{/* Shows a Redis URL in an error without its password: without the text before the last @, without the text behind ? or #, and without a port that is not a number. */}}
{{- define "pannier.redactedUrl" -}}
{{- $text := regexReplaceAll "(?s)^(\\s*[a-zA-Z+]*://)?.*@" . "${1}***@" -}}
{{- $text = regexReplaceAll "(?s)[?#].*$" $text "?***" -}}
{{- regexReplaceAll ":([0-9]*[^0-9/,@:\\[\\]][^/,@:\\[\\]]*)" $text ":***" -}}
{{- end -}}

{{/* Checks the form of redis.url. The schema would quote the pattern in its error, and the password in the value. */}}
{{- define "pannier.validateRedisUrl" -}}
{{- $port := "(:([0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?" -}}
{{- $host := printf "(\\[[0-9a-fA-F:.]+\\]|[^\\s/?#@,:\\[\\]]+)%s" $port -}}
{{- $server := printf "^rediss?://([^\\s/?#@,]*@)?%s(/0?)?$" $host -}}
{{- $sentinel := printf "^rediss?[+]sentinel://([^\\s/?#@]*@)?%s(\\s*,\\s*%s){0,31}/[A-Za-z0-9._-]{1,128}$" $host $host -}}
{{- $accepted := "redis://HOST:PORT or rediss://HOST:PORT without a database number (several as a list or separated by commas), or redis+sentinel://HOST:PORT,HOST:PORT/NAME or rediss+sentinel://HOST:PORT,HOST:PORT/NAME" -}}
{{- range include "pannier.redisUrls" . | fromJsonArray -}}
{{- if not (or (regexMatch $server .) (regexMatch $sentinel .)) -}}
{{- $shown := . -}}
{{- /* A comma in a password would split the password, so that the error shows the whole value. */ -}}
{{- if and (kindIs "string" $.Values.redis.url) (contains "@" $.Values.redis.url) -}}
{{- $shown = $.Values.redis.url -}}
{{- end -}}
{{- fail (printf "redis.url must be %s, got %q" $accepted (include "pannier.redactedUrl" $shown)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Checks the settings whose form the schema cannot describe in a readable way. */}}
{{- define "pannier.validateSettings" -}}
{{- $environment := .Values.sidecar.env | default dict -}}
{{- range $name, $rule := include "pannier.settingRules" . | fromJson -}}
{{- $value := get $environment $name -}}
{{- if and (kindIs "string" $value) (not (regexMatch $rule.pattern $value)) -}}
{{- $shown := $value -}}
{{- if hasSuffix "_URL" $name -}}
{{- $shown = include "pannier.redactedUrl" $value -}}
{{- end -}}
{{- fail (printf "sidecar.env.%s must be %s, got %q" $name $rule.accepted $shown) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Rejects values whose form the schema cannot describe in a readable way, and combinations of values that contradict each other. */}}
{{- define "pannier.validate" -}}
{{- include "pannier.validateSecurity" . -}}
{{- include "pannier.validateRedisUrl" . -}}
{{- include "pannier.validateSettings" . -}}
{{- range $path, $repository := dict "image" .Values.image.repository "sidecar.image" .Values.sidecar.image.repository "devRedis.image" .Values.devRedis.image.repository -}}
{{- if and $repository (not (regexMatch "^[a-z0-9]+([._-]+[a-z0-9]+)*(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*(:[A-Za-z0-9_.-]+)?$" $repository)) -}}
{{- fail (printf "%s.repository must be an image repository in lower case without a tag and a digest, such as registry.example:5000/team/pannier, got %q" $path $repository) -}}
{{- end -}}
{{- end -}}
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

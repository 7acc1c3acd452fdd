#!/bin/sh
# Makes the files in this folder anew, with ssh-keygen and openssl. The keys
# are for these tests and nothing else; the passphrase of all encrypted ones
# is "correct horse".
set -eu
cd "$(dirname "$0")"
find . -type f ! -name make.sh ! -name 'sk_*' -delete
pass='correct horse'
gen() { ssh-keygen -q "$@" >/dev/null; }

for kind in ed25519: ecdsa:256 ecdsa:384 ecdsa:521 rsa:2048; do
    type=${kind%:*} bits=${kind#*:} name=${kind%:*}${kind#*:}
    gen -t "$type" ${bits:+-b $bits} -N '' -C "$name@test key" -f "$name"
    cp "$name" "$name.enc"
    gen -p -a 2 -N "$pass" -f "$name.enc"
    for hash in sha256 md5; do ssh-keygen -lv -E "$hash" -f "$name.pub"; done >"$name.fingerprint"
    ssh-keygen -e -m RFC4716 -f "$name.pub" >"$name.rfc4716"
    [ "$type" = ed25519 ] && continue
    ssh-keygen -e -m PKCS8 -f "$name.pub" >"$name.pub.pkcs8"
    for form in PEM PKCS8; do
        cp "$name" "$name.$form"
        gen -p -m "$form" -N '' -f "$name.$form"
        cp "$name" "$name.$form.enc"
        gen -p -m "$form" -N "$pass" -f "$name.$form.enc"
    done
done
ssh-keygen -e -m PEM -f rsa2048.pub >rsa2048.pub.PEM
for cipher in aes128-ctr aes192-ctr aes128-cbc aes192-cbc aes256-cbc 3des-cbc \
    aes128-gcm@openssh.com aes256-gcm@openssh.com chacha20-poly1305@openssh.com; do
    cp ed25519 "ed25519.$cipher"
    gen -p -a 2 -Z "$cipher" -N "$pass" -f "ed25519.$cipher"
done

openssl genpkey -algorithm ed25519 -out ed25519.PKCS8 2>/dev/null
openssl pkey -in ed25519.PKCS8 -pubout -out ed25519.PKCS8.pub
openssl pkcs8 -topk8 -in ed25519.PKCS8 -passout "pass:$pass" -out ed25519.PKCS8.enc \
    -v2 aes-256-cbc -v2prf hmacWithSHA512 -iter 100
openssl pkcs8 -topk8 -in ecdsa256.PEM -passout "pass:$pass" -out ecdsa256.PKCS8.3des.enc \
    -v2 des3 -v2prf hmacWithSHA1 -iter 100
for cipher in aes192 aes256 des3; do
    openssl rsa -in rsa2048.PEM -traditional -passout "pass:$pass" -"$cipher" \
        -out "rsa2048.PEM.$cipher.enc" 2>/dev/null
done
openssl ecparam -name prime256v1 -genkey -out ecparam.PEM 2>/dev/null

printf '%s' "$pass" >pass
for name in ed25519 ecdsa256 ecdsa384 ecdsa521 rsa2048; do
    for v in 2 3; do
        puttygen "$name" -O private -o "$name.ppk$v" --ppk-param "version=$v"
        puttygen "$name" -O private -o "$name.ppk$v.enc" --new-passphrase pass \
            --ppk-param "version=$v,memory=64,passes=2,parallelism=2"
    done
done
puttygen ed25519 -O private -o ed25519.ppk3.argon2i.enc --new-passphrase pass \
    --ppk-param "kdf=argon2i,memory=64,passes=2"
puttygen ed25519 -O private -o ed25519.ppk3.argon2d.enc --new-passphrase pass \
    --ppk-param "kdf=argon2d,memory=64,passes=2"
rm pass

gen -s ed25519 -I 'user id' -n ann,bob -z 7 -V 20240101:20340101 \
    -O force-command=/bin/true -O source-address=10.0.0.0/8 ecdsa256.pub
gen -s rsa2048 -h -I 'host id' -n host.example.com -z 8 -V 20240101:20340101 ed25519.pub
gen -s ecdsa256 -I rsa -n ann rsa2048.pub

printf 'host.example.com %s\n' "$(cat ed25519.pub)" >known_hosts
printf '[Host.example.com]:2222,10.0.0.1 %s\n' "$(cat rsa2048.pub)" >>known_hosts
cp known_hosts known_hosts.hashed
ssh-keygen -q -H -f known_hosts.hashed >/dev/null 2>&1
rm known_hosts.hashed.old

# Security keys need OpenSSH's test middleware, sk-dummy.so, named by $SK_DUMMY.
if [ -n "${SK_DUMMY:-}" ]; then
    rm -f sk_*
    for kind in ed25519 ecdsa; do
        gen -t "$kind-sk" -w "$SK_DUMMY" -N '' -C 'sk test' -f "sk_$kind"
        echo hello | SSH_SK_PROVIDER=$SK_DUMMY ssh-keygen -Y sign -f "sk_$kind" -n file \
            >"sk_$kind.sshsig" 2>/dev/null
        for hash in sha256 md5; do ssh-keygen -lv -E "$hash" -f "sk_$kind.pub"; done \
            >"sk_$kind.fingerprint"
    done
fi

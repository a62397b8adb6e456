#include "harness/lab/clock/vdso.h"

#include <elf.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

namespace gameday::lab::clock {
namespace {

#if defined(__x86_64__)
constexpr std::uint16_t kMachine = EM_X86_64;
constexpr std::array kSystemCall{std::byte{0x0f}, std::byte{0x05}};  // syscall
constexpr std::size_t kAlignment = 1;
#elif defined(__aarch64__)
constexpr std::uint16_t kMachine = EM_AARCH64;
constexpr std::array kSystemCall{std::byte{0x01}, std::byte{0}, std::byte{0},
                                 std::byte{0xd4}};  // svc #0
constexpr std::size_t kAlignment = 4;
#endif

// Reads with bounds: an image is another process's memory.
class Image {
 public:
  explicit Image(std::span<const std::byte> bytes) : bytes_(bytes) {}
  template <typename T>
  std::optional<T> at(std::uint64_t offset) const {
    if (offset > bytes_.size() || bytes_.size() - offset < sizeof(T)) return std::nullopt;
    T value;
    std::memcpy(&value, bytes_.data() + offset, sizeof value);
    return value;
  }
  std::string text(std::uint64_t offset) const {
    std::string result;
    for (auto c = at<char>(offset); c && *c != '\0'; c = at<char>(++offset)) result += *c;
    return result;
  }

 private:
  std::span<const std::byte> bytes_;
};

std::optional<Elf64_Ehdr> header_of(const Image& image) {
  const auto header = image.at<Elf64_Ehdr>(0);
  if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
      header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB ||
      header->e_machine != kMachine || header->e_phentsize != sizeof(Elf64_Phdr))
    return std::nullopt;
  return header;
}

std::optional<Elf64_Phdr> segment(const Image& image, const Elf64_Ehdr& header,
                                  std::uint32_t type) {
  for (std::uint16_t i = 0; i < header.e_phnum; ++i) {
    const auto found = image.at<Elf64_Phdr>(header.e_phoff + i * sizeof(Elf64_Phdr));
    if (found && found->p_type == type) return found;
  }
  return std::nullopt;
}

// The number of symbols, which ELF does not say: the hash table over them does.
std::uint64_t count_symbols(const Image& image, std::uint64_t hash, std::uint64_t gnu_hash) {
  if (hash != 0) return image.at<std::uint32_t>(hash + 4).value_or(0);
  if (gnu_hash == 0) return 0;
  const auto buckets = image.at<std::uint32_t>(gnu_hash),
             first = image.at<std::uint32_t>(gnu_hash + 4),
             bloom = image.at<std::uint32_t>(gnu_hash + 8);
  if (!buckets || !first || !bloom) return 0;
  const std::uint64_t bucket_at = gnu_hash + 16 + *bloom * 8, chain_at = bucket_at + *buckets * 4;
  std::uint64_t last = 0;
  for (std::uint64_t i = 0; i < *buckets; ++i)
    last = std::max<std::uint64_t>(last, image.at<std::uint32_t>(bucket_at + i * 4).value_or(0));
  if (last < *first) return *first;
  for (;; ++last) {  // the last bucket's chain ends with an odd hash
    const auto entry = image.at<std::uint32_t>(chain_at + (last - *first) * 4);
    if (!entry || *entry % 2 == 1) return last + 1;
  }
}

std::string plain(std::string name) {
  for (const std::string_view prefix : {"__vdso_", "__kernel_"})
    if (name.starts_with(prefix)) return name.substr(prefix.size());
  return name;
}

}  // namespace

const Vdso::Function* Vdso::find(std::string_view name) const {
  const auto found = std::find_if(functions.begin(), functions.end(),
                                  [&](const auto& f) { return f.name == name; });
  return found == functions.end() ? nullptr : &*found;
}

std::size_t vdso_size(std::span<const std::byte> first_page) {
  const Image image(first_page);
  const auto header = header_of(image);
  if (!header) return 0;
  const auto load = segment(image, *header, PT_LOAD);
  // Linked to 0 and one segment, or the addresses in it are not offsets into it.
  constexpr std::uint64_t kLargest = 1 << 20;
  if (!load || load->p_vaddr != 0 || load->p_offset != 0 || load->p_filesz > kLargest) return 0;
  return load->p_filesz;
}

Result<Vdso> parse_vdso(std::span<const std::byte> bytes) {
  const Image image(bytes);
  const auto header = header_of(image);
  if (!header || vdso_size(bytes) == 0) return fail("not a vDSO of this architecture");
  const auto dynamic = segment(image, *header, PT_DYNAMIC);
  if (!dynamic) return fail("a vDSO without dynamic symbols");
  std::uint64_t symbols = 0, strings = 0, hash = 0, gnu_hash = 0;
  for (std::uint64_t at = dynamic->p_offset;; at += sizeof(Elf64_Dyn)) {
    const auto entry = image.at<Elf64_Dyn>(at);
    if (!entry || entry->d_tag == DT_NULL) break;
    if (entry->d_tag == DT_SYMTAB) symbols = entry->d_un.d_ptr;
    if (entry->d_tag == DT_STRTAB) strings = entry->d_un.d_ptr;
    if (entry->d_tag == DT_HASH) hash = entry->d_un.d_ptr;
    if (entry->d_tag == DT_GNU_HASH) gnu_hash = entry->d_un.d_ptr;
  }
  if (symbols == 0 || strings == 0) return fail("a vDSO without dynamic symbols");

  Vdso vdso;
  const std::uint64_t count = count_symbols(image, hash, gnu_hash);
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t at = symbols + i * sizeof(Elf64_Sym);
    const auto symbol = image.at<Elf64_Sym>(at);
    if (!symbol) return fail("a vDSO with a damaged symbol table");
    if (ELF64_ST_TYPE(symbol->st_info) != STT_FUNC && ELF64_ST_TYPE(symbol->st_info) != STT_NOTYPE)
      continue;
    if (symbol->st_shndx == SHN_UNDEF) continue;
    vdso.functions.push_back({plain(image.text(strings + symbol->st_name)), symbol->st_value,
                              at + offsetof(Elf64_Sym, st_value)});
  }
  const auto found =
      std::search(bytes.begin(), bytes.end(), kSystemCall.begin(), kSystemCall.end());
  const auto offset = static_cast<std::uint64_t>(found - bytes.begin());
  if (found != bytes.end() && offset % kAlignment == 0) vdso.system_call = offset;
  return vdso;
}

}  // namespace gameday::lab::clock
